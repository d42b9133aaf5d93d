-- Hand-offs between hotlines (adapters/hotline/ledger). Times are Unix microseconds.
-- +goose Up

CREATE TABLE IF NOT EXISTS fayi_ho_case (            -- what the matter is, whole; never leaves
  case_id     TEXT NOT NULL,
  body        BLOB NOT NULL,
  created_us  INTEGER NOT NULL,
  PRIMARY KEY (case_id)
);

CREATE TABLE IF NOT EXISTS fayi_ho_handoff (         -- one transfer of responsibility; body is the state after the newest event
  id          TEXT NOT NULL,
  case_id     TEXT NOT NULL,
  peer        TEXT NOT NULL,
  direction   TEXT NOT NULL,
  state       TEXT NOT NULL,
  state_seq   INTEGER NOT NULL,
  owner       TEXT NOT NULL,
  peer_no     TEXT NOT NULL,
  match_key   TEXT NOT NULL,
  urgency     INTEGER NOT NULL,
  events      INTEGER NOT NULL,
  head        TEXT NOT NULL,
  body        BLOB NOT NULL,
  created_us  INTEGER NOT NULL,
  updated_us  INTEGER NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS fayi_ho_handoff_case_id ON fayi_ho_handoff (case_id);
CREATE INDEX IF NOT EXISTS fayi_ho_handoff_peer_state ON fayi_ho_handoff (peer, state);
CREATE INDEX IF NOT EXISTS fayi_ho_handoff_peer_peer_no ON fayi_ho_handoff (peer, peer_no);
CREATE INDEX IF NOT EXISTS fayi_ho_handoff_peer_match_key ON fayi_ho_handoff (peer, match_key);

CREATE TABLE IF NOT EXISTS fayi_ho_round (           -- one dispatch each
  handoff      TEXT NOT NULL,
  n            INTEGER NOT NULL,
  peer         TEXT NOT NULL,
  peer_no      TEXT NOT NULL,
  dispatch_us  INTEGER NOT NULL,
  body         BLOB NOT NULL,
  PRIMARY KEY (handoff, n)
);
CREATE INDEX IF NOT EXISTS fayi_ho_round_peer_peer_no ON fayi_ho_round (peer, peer_no);

CREATE TABLE IF NOT EXISTS fayi_ho_event (           -- append-only; hash is SM3 of body, body holds the hash before it
  handoff   TEXT NOT NULL,
  n         INTEGER NOT NULL,
  event_id  TEXT NOT NULL,
  hash      TEXT NOT NULL,
  body      BLOB NOT NULL,
  at_us     INTEGER NOT NULL,
  PRIMARY KEY (handoff, n)
);
CREATE INDEX IF NOT EXISTS fayi_ho_event_at_us ON fayi_ho_event (at_us);

CREATE TABLE IF NOT EXISTS fayi_ho_seen (            -- what a peer said already, and what it was answered
  peer      TEXT NOT NULL,
  event_id  TEXT NOT NULL,
  handoff   TEXT NOT NULL,
  answer    BLOB NOT NULL,
  at_us     INTEGER NOT NULL,
  PRIMARY KEY (peer, event_id)
);
CREATE INDEX IF NOT EXISTS fayi_ho_seen_at_us ON fayi_ho_seen (at_us);

CREATE TABLE IF NOT EXISTS fayi_ho_delivery (        -- messages to peers, in the order of id within a hand-off
  id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  peer         TEXT NOT NULL,
  handoff      TEXT NOT NULL,
  message_key  TEXT NOT NULL,
  kind         TEXT NOT NULL,
  priority     INTEGER NOT NULL,
  state        TEXT NOT NULL,
  attempts     INTEGER NOT NULL,
  first_us     INTEGER NOT NULL,
  next_us      INTEGER NOT NULL,
  body         BLOB NOT NULL,
  said         BLOB NOT NULL,
  updated_us   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_ho_delivery_peer_state_priority_next_us ON fayi_ho_delivery (peer, state, priority, next_us);
CREATE INDEX IF NOT EXISTS fayi_ho_delivery_handoff_id ON fayi_ho_delivery (handoff, id);
CREATE UNIQUE INDEX IF NOT EXISTS fayi_ho_delivery_message_key ON fayi_ho_delivery (message_key);

CREATE TABLE IF NOT EXISTS fayi_ho_link (            -- between hand-offs, and to numbers elsewhere
  a      TEXT NOT NULL,
  kind   TEXT NOT NULL,
  b      TEXT NOT NULL,
  at_us  INTEGER NOT NULL,
  PRIMARY KEY (a, kind, b)
);
CREATE INDEX IF NOT EXISTS fayi_ho_link_b ON fayi_ho_link (b);

CREATE TABLE IF NOT EXISTS fayi_ho_task (            -- what a person has to look at
  id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  peer        TEXT NOT NULL,
  handoff     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  state       TEXT NOT NULL,
  body        BLOB NOT NULL,
  created_us  INTEGER NOT NULL,
  done_us     INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_ho_task_state_kind ON fayi_ho_task (state, kind);
CREATE INDEX IF NOT EXISTS fayi_ho_task_handoff ON fayi_ho_task (handoff);

CREATE TABLE IF NOT EXISTS fayi_ho_quarantine (      -- authentic messages that could not be read whole
  id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  peer    TEXT NOT NULL,
  raw     BLOB NOT NULL,
  faults  BLOB NOT NULL,
  at_us   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_ho_quarantine_at_us ON fayi_ho_quarantine (at_us);

CREATE TABLE IF NOT EXISTS fayi_ho_peer (            -- where we are with a peer
  peer        TEXT NOT NULL,
  position    BLOB NOT NULL,
  last_in_us  INTEGER NOT NULL,
  paused      INTEGER NOT NULL,
  skew_ms     INTEGER NOT NULL,
  directory   BLOB NOT NULL,
  updated_us  INTEGER NOT NULL,
  PRIMARY KEY (peer)
);

CREATE TABLE IF NOT EXISTS fayi_ho_counter (         -- numbers given
  name  TEXT NOT NULL,
  n     INTEGER NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS fayi_ho_file (            -- attachments by hash
  sm3         TEXT NOT NULL,
  sha256      TEXT NOT NULL,
  size        INTEGER NOT NULL,
  held        INTEGER NOT NULL,
  state       TEXT NOT NULL,
  said        BLOB NOT NULL,
  ref         BLOB NOT NULL,
  peer        TEXT NOT NULL,
  handoff     TEXT NOT NULL,
  att_id      TEXT NOT NULL,
  created_us  INTEGER NOT NULL,
  PRIMARY KEY (handoff, att_id)
);
CREATE INDEX IF NOT EXISTS fayi_ho_file_sm3 ON fayi_ho_file (sm3);
CREATE INDEX IF NOT EXISTS fayi_ho_file_state ON fayi_ho_file (state);

CREATE TABLE IF NOT EXISTS fayi_ho_chunk (           -- their bytes
  sm3   TEXT NOT NULL,
  n     INTEGER NOT NULL,
  data  BLOB NOT NULL,
  PRIMARY KEY (sm3, n)
);

CREATE TABLE IF NOT EXISTS fayi_ho_clock (           -- figures, from the events; due_us is when to look again
  handoff  TEXT NOT NULL,
  round    INTEGER NOT NULL,
  clock    TEXT NOT NULL,
  state    TEXT NOT NULL,
  due_us   INTEGER NOT NULL,
  warned   INTEGER NOT NULL,
  body     BLOB NOT NULL,
  PRIMARY KEY (handoff, round, clock)
);
CREATE INDEX IF NOT EXISTS fayi_ho_clock_state_due_us ON fayi_ho_clock (state, due_us);

CREATE TABLE IF NOT EXISTS fayi_ho_access (          -- who looked at a citizen, or tried to
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  handoff  TEXT NOT NULL,
  who      TEXT NOT NULL,
  purpose  BLOB NOT NULL,
  granted  INTEGER NOT NULL,
  at_us    INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fayi_ho_access_handoff ON fayi_ho_access (handoff);
