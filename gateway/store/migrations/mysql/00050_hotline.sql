-- Hand-offs between hotlines (adapters/hotline/ledger). Times are Unix microseconds.
-- +goose Up

CREATE TABLE IF NOT EXISTS fayi_ho_case (            -- what the matter is, whole; never leaves
  case_id     VARBINARY(64) NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  created_us  BIGINT NOT NULL,
  PRIMARY KEY (case_id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_handoff (         -- one transfer of responsibility; body is the state after the newest event
  id          VARBINARY(64) NOT NULL,
  case_id     VARBINARY(64) NOT NULL,
  peer        VARBINARY(64) NOT NULL,
  direction   VARBINARY(8) NOT NULL,
  state       VARBINARY(24) NOT NULL,
  state_seq   BIGINT NOT NULL,
  owner       VARBINARY(64) NOT NULL,
  peer_no     VARBINARY(96) NOT NULL,
  match_key   VARBINARY(64) NOT NULL,
  urgency     BIGINT NOT NULL,
  events      BIGINT NOT NULL,
  head        VARBINARY(64) NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  created_us  BIGINT NOT NULL,
  updated_us  BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY case_id (case_id),
  KEY peer_state (peer, state),
  KEY peer_peer_no (peer, peer_no),
  KEY peer_match_key (peer, match_key)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_round (           -- one dispatch each
  handoff      VARBINARY(64) NOT NULL,
  n            BIGINT NOT NULL,
  peer         VARBINARY(64) NOT NULL,
  peer_no      VARBINARY(96) NOT NULL,
  dispatch_us  BIGINT NOT NULL,
  body         MEDIUMBLOB NOT NULL,
  PRIMARY KEY (handoff, n),
  KEY peer_peer_no (peer, peer_no)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_event (           -- append-only; hash is SM3 of body, body holds the hash before it
  handoff   VARBINARY(64) NOT NULL,
  n         BIGINT NOT NULL,
  event_id  VARBINARY(128) NOT NULL,
  hash      VARBINARY(64) NOT NULL,
  body      MEDIUMBLOB NOT NULL,
  at_us     BIGINT NOT NULL,
  PRIMARY KEY (handoff, n),
  KEY at_us (at_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_seen (            -- what a peer said already, and what it was answered
  peer      VARBINARY(64) NOT NULL,
  event_id  VARBINARY(128) NOT NULL,
  handoff   VARBINARY(64) NOT NULL,
  answer    MEDIUMBLOB NOT NULL,
  at_us     BIGINT NOT NULL,
  PRIMARY KEY (peer, event_id),
  KEY at_us (at_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_delivery (        -- messages to peers, in the order of id within a hand-off
  id           BIGINT NOT NULL AUTO_INCREMENT,
  peer         VARBINARY(64) NOT NULL,
  handoff      VARBINARY(64) NOT NULL,
  message_key  VARBINARY(128) NOT NULL,
  kind         VARBINARY(16) NOT NULL,
  priority     BIGINT NOT NULL,
  state        VARBINARY(16) NOT NULL,
  attempts     BIGINT NOT NULL,
  first_us     BIGINT NOT NULL,
  next_us      BIGINT NOT NULL,
  body         MEDIUMBLOB NOT NULL,
  said         BLOB NOT NULL,
  updated_us   BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY peer_state_priority_next_us (peer, state, priority, next_us),
  KEY handoff_id (handoff, id),
  UNIQUE KEY message_key (message_key)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_link (            -- between hand-offs, and to numbers elsewhere
  a      VARBINARY(64) NOT NULL,
  kind   VARBINARY(16) NOT NULL,
  b      VARBINARY(96) NOT NULL,
  at_us  BIGINT NOT NULL,
  PRIMARY KEY (a, kind, b),
  KEY b (b)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_task (            -- what a person has to look at
  id          BIGINT NOT NULL AUTO_INCREMENT,
  peer        VARBINARY(64) NOT NULL,
  handoff     VARBINARY(64) NOT NULL,
  kind        VARBINARY(48) NOT NULL,
  state       VARBINARY(16) NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  created_us  BIGINT NOT NULL,
  done_us     BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY state_kind (state, kind),
  KEY handoff (handoff)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_quarantine (      -- authentic messages that could not be read whole
  id      BIGINT NOT NULL AUTO_INCREMENT,
  peer    VARBINARY(64) NOT NULL,
  raw     MEDIUMBLOB NOT NULL,
  faults  MEDIUMBLOB NOT NULL,
  at_us   BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY at_us (at_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_peer (            -- where we are with a peer
  peer        VARBINARY(64) NOT NULL,
  position    BLOB NOT NULL,
  last_in_us  BIGINT NOT NULL,
  paused      BIGINT NOT NULL,
  skew_ms     BIGINT NOT NULL,
  directory   MEDIUMBLOB NOT NULL,
  updated_us  BIGINT NOT NULL,
  PRIMARY KEY (peer)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_counter (         -- numbers given
  name  VARBINARY(64) NOT NULL,
  n     BIGINT NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_file (            -- attachments by hash
  sm3         VARBINARY(64) NOT NULL,
  sha256      VARBINARY(64) NOT NULL,
  size        BIGINT NOT NULL,
  held        BIGINT NOT NULL,
  state       VARBINARY(16) NOT NULL,
  said        BLOB NOT NULL,
  ref         BLOB NOT NULL,
  peer        VARBINARY(64) NOT NULL,
  handoff     VARBINARY(64) NOT NULL,
  att_id      VARBINARY(64) NOT NULL,
  created_us  BIGINT NOT NULL,
  PRIMARY KEY (handoff, att_id),
  KEY sm3 (sm3),
  KEY state (state)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_chunk (           -- their bytes
  sm3   VARBINARY(64) NOT NULL,
  n     BIGINT NOT NULL,
  data  MEDIUMBLOB NOT NULL,
  PRIMARY KEY (sm3, n)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_clock (           -- figures, from the events; due_us is when to look again
  handoff  VARBINARY(64) NOT NULL,
  round    BIGINT NOT NULL,
  clock    VARBINARY(8) NOT NULL,
  state    VARBINARY(16) NOT NULL,
  due_us   BIGINT NOT NULL,
  warned   BIGINT NOT NULL,
  body     MEDIUMBLOB NOT NULL,
  PRIMARY KEY (handoff, round, clock),
  KEY state_due_us (state, due_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ho_access (          -- who looked at a citizen, or tried to
  id       BIGINT NOT NULL AUTO_INCREMENT,
  handoff  VARBINARY(64) NOT NULL,
  who      VARBINARY(64) NOT NULL,
  purpose  BLOB NOT NULL,
  granted  BIGINT NOT NULL,
  at_us    BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY handoff (handoff)
) ENGINE=InnoDB;
