-- Contract tables for SQLite. record_key has no affinity: a TEXT and a BLOB of the same bytes are two values to SQLite, one key to the node.
-- AUTOINCREMENT never uses an id twice. Columns are only ever added, nullable or with a default.

CREATE TABLE IF NOT EXISTS exchange_outbox (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  record_type TEXT NOT NULL,
  record_key  BLOB NOT NULL,                -- UTF-8, NFC, no outer spaces or control characters, at most 128 bytes
  op          TEXT NOT NULL DEFAULT 'put',  -- put | del
  payload     TEXT NULL,                    -- the whole record as JSON, NULL for del
  flags       TEXT NULL,                    -- resend | repair:<id in exchange_rejected>
  created     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
);

CREATE INDEX IF NOT EXISTS exchange_outbox_record_type ON exchange_outbox (record_type, id);

CREATE TABLE IF NOT EXISTS exchange_rejected (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT NOT NULL,
  row_id      INTEGER NOT NULL,
  record_type TEXT NOT NULL,
  record_key  BLOB NOT NULL,
  op          TEXT NOT NULL,
  payload     TEXT NULL,
  created     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  rejected_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  code        TEXT NOT NULL,                -- of the first fault
  faults      TEXT NOT NULL,                -- JSON: [{code, pointer, title, message, hint}]
  state       TEXT NOT NULL DEFAULT 'open'  -- open | resubmitted | superseded | closed
);

CREATE INDEX IF NOT EXISTS exchange_rejected_source_state ON exchange_rejected (source, state, id);

CREATE TABLE IF NOT EXISTS exchange_inbox (
  stream      TEXT NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  record_type TEXT NOT NULL,
  record_key  BLOB NOT NULL,
  op          TEXT NOT NULL,                -- put | del | erase
  payload     TEXT NULL,
  occurred    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),  -- when it was published at its origin
  received    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  PRIMARY KEY (stream, gen, seq)
);

CREATE TABLE IF NOT EXISTS exchange_inbox_cursor (
  stream      TEXT NOT NULL PRIMARY KEY,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL
);
