-- The node's own tables for SQLite: as in ../mysql, with text as TEXT and bytes as BLOB (to SQLite the same bytes in the
-- two are different values, so each column has one kind), indexes beside the tables.

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_stream (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL,
  gen         INTEGER NOT NULL DEFAULT 0,     -- end of the live chain; zeros: empty
  seq         INTEGER NOT NULL DEFAULT 0,
  head        BLOB NOT NULL,
  base_gen    INTEGER NOT NULL DEFAULT 0,     -- where a reader's grant begins (protocol §7); zeros: the beginning
  base_seq    INTEGER NOT NULL DEFAULT 0,
  base_head   BLOB NOT NULL,
  checked_gen INTEGER NOT NULL DEFAULT 0,     -- lines judged up to here
  checked_seq INTEGER NOT NULL DEFAULT 0,
  refused     INTEGER NOT NULL DEFAULT 0,
  state       TEXT NOT NULL,
  detail      TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS fayi_stream_name ON fayi_stream (name);

CREATE TABLE IF NOT EXISTS fayi_segment (             -- headers and signatures only, so that chain checks stay in memory
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  line_count  INTEGER NOT NULL,
  hash        BLOB NOT NULL,
  prev        BLOB NOT NULL,
  header      BLOB NOT NULL,
  sig         BLOB NOT NULL,
  body_size   INTEGER NOT NULL,
  seen        INTEGER NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq)
);
CREATE INDEX IF NOT EXISTS fayi_segment_hash ON fayi_segment (stream_id, hash);

CREATE TABLE IF NOT EXISTS fayi_body (                -- the container: what may be replaced under the same header
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  content_key BLOB NULL,                    -- sealed under the node's store key; NULL at a carrier
  readers     BLOB NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq)
);

CREATE TABLE IF NOT EXISTS fayi_orphan (              -- segments of fayi_segment that are not on the live chain
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fayi_fork (                -- the other signed header of a position, kept as evidence
  stream_id   INTEGER NOT NULL,
  hash        BLOB NOT NULL,
  gen         INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  header      BLOB NOT NULL,
  sig         BLOB NOT NULL,
  peer        TEXT NOT NULL,
  seen        INTEGER NOT NULL,
  PRIMARY KEY (stream_id, hash)
);

CREATE TABLE IF NOT EXISTS fayi_latest (              -- newest version of each key, at the origin only
  stream_id   INTEGER NOT NULL,
  key_hash    BLOB NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  op          TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  source      TEXT NOT NULL,
  PRIMARY KEY (stream_id, key_hash)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fayi_refusal (             -- lines of others this node stored and does not apply
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  code        TEXT NOT NULL,
  pointer     TEXT NOT NULL,
  PRIMARY KEY (stream_id, gen, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fayi_receipt (             -- signed receipts that some acknowledgement rests on
  hash        BLOB NOT NULL PRIMARY KEY,
  reader      TEXT NOT NULL,
  origin      TEXT NOT NULL,
  level       TEXT NOT NULL,
  n           INTEGER NOT NULL,
  body        BLOB NOT NULL,
  sig         BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_receipt_origin ON fayi_receipt (origin, reader, level);

CREATE TABLE IF NOT EXISTS fayi_ack (                 -- newest position each reader acknowledged
  stream_id   INTEGER NOT NULL,
  reader      TEXT NOT NULL,
  level       TEXT NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  head        BLOB NOT NULL,
  rejected    INTEGER NOT NULL,
  receipt     BLOB NOT NULL,
  at_us       INTEGER NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (stream_id, reader, level)
);
CREATE INDEX IF NOT EXISTS fayi_ack_receipt ON fayi_ack (receipt);

CREATE TABLE IF NOT EXISTS fayi_counter (             -- numbers taken by compare-and-set: n and prev of receipts and notes
  name        TEXT NOT NULL PRIMARY KEY,
  n           INTEGER NOT NULL,
  hash        BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS fayi_note (
  node        TEXT NOT NULL PRIMARY KEY,
  body        BLOB NOT NULL,
  sig         BLOB NOT NULL,
  arrived     INTEGER NOT NULL,
  n           INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS fayi_entry (
  node        TEXT NOT NULL,
  n           INTEGER NOT NULL,
  body        BLOB NOT NULL,
  sigs        BLOB NOT NULL,
  seen        INTEGER NOT NULL,
  state       TEXT NOT NULL,
  PRIMARY KEY (node, n)
);

CREATE TABLE IF NOT EXISTS fayi_peer_rejection (      -- what readers refused of the records this node published
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  stream      TEXT NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  reader      TEXT NOT NULL,
  code        TEXT NOT NULL,
  pointer     TEXT NOT NULL,
  pack        TEXT NOT NULL,
  at_us       INTEGER NOT NULL,
  is_open     INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS fayi_peer_rejection_position ON fayi_peer_rejection (stream, gen, seq, reader);
CREATE INDEX IF NOT EXISTS fayi_peer_rejection_is_open ON fayi_peer_rejection (is_open, id);

CREATE TABLE IF NOT EXISTS fayi_lease (
  name        TEXT NOT NULL PRIMARY KEY,
  owner       TEXT NOT NULL,                -- empty: free
  beat        INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS fayi_remembered (          -- answers to idempotent requests of the local API
  key_hash    BLOB NOT NULL PRIMARY KEY,
  request     BLOB NOT NULL,
  answer      BLOB NOT NULL,
  at_us       INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_remembered_at_us ON fayi_remembered (at_us);

CREATE TABLE IF NOT EXISTS fayi_event (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at_us       INTEGER NOT NULL,
  level       TEXT NOT NULL,
  code        TEXT NOT NULL,
  stream      TEXT NOT NULL,
  peer        TEXT NOT NULL,
  detail      TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_event_at_us ON fayi_event (at_us);

CREATE TABLE IF NOT EXISTS fayi_consumer (            -- how far a consumer of this node has read a stream
  name        TEXT NOT NULL,
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  PRIMARY KEY (name, stream_id)
);

CREATE TABLE IF NOT EXISTS fayi_tally (               -- what became of outbox rows
  source      TEXT NOT NULL,
  record_type TEXT NOT NULL,
  accepted    INTEGER NOT NULL,
  rejected    INTEGER NOT NULL,
  unchanged   INTEGER NOT NULL,
  superseded  INTEGER NOT NULL,
  PRIMARY KEY (source, record_type)
);
