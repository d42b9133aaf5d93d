-- The node's own tables for MySQL, MariaDB, TiDB and OceanBase. Bytes are VARBINARY and BLOB, times BIGINT Unix
-- microseconds. Every statement may run twice: DDL commits by itself here, so a migration that was interrupted is
-- simply started again. Migrations only expand (protocol §9).

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_stream (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name        VARBINARY(160) NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL DEFAULT 0,     -- end of the live chain; zeros: empty
  seq         BIGINT UNSIGNED NOT NULL DEFAULT 0,
  head        VARBINARY(32) NOT NULL,
  base_gen    BIGINT UNSIGNED NOT NULL DEFAULT 0,     -- where a reader's grant begins (protocol §7); zeros: the beginning
  base_seq    BIGINT UNSIGNED NOT NULL DEFAULT 0,
  base_head   VARBINARY(32) NOT NULL,
  checked_gen BIGINT UNSIGNED NOT NULL DEFAULT 0,     -- lines judged up to here
  checked_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  refused     BIGINT UNSIGNED NOT NULL DEFAULT 0,
  state       VARBINARY(32) NOT NULL,
  detail      VARBINARY(1024) NOT NULL,
  UNIQUE KEY name (name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_segment (             -- headers and signatures only, so that chain checks stay in memory
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  first_seq   BIGINT UNSIGNED NOT NULL,
  line_count  BIGINT UNSIGNED NOT NULL,
  hash        VARBINARY(32) NOT NULL,
  prev        VARBINARY(32) NOT NULL,
  header      VARBINARY(4096) NOT NULL,
  sig         VARBINARY(256) NOT NULL,
  body_size   BIGINT NOT NULL,
  seen        BIGINT NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq),
  KEY hash (stream_id, hash)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_body (                -- the container: what may be replaced under the same header
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  first_seq   BIGINT UNSIGNED NOT NULL,
  content_key VARBINARY(256) NULL,                    -- sealed under the node's store key; NULL at a carrier
  readers     MEDIUMBLOB NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_orphan (              -- segments of fayi_segment that are not on the live chain
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  first_seq   BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (stream_id, gen, first_seq)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_fork (                -- the other signed header of a position, kept as evidence
  stream_id   BIGINT NOT NULL,
  hash        VARBINARY(32) NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  first_seq   BIGINT UNSIGNED NOT NULL,
  header      VARBINARY(4096) NOT NULL,
  sig         VARBINARY(256) NOT NULL,
  peer        VARBINARY(32) NOT NULL,
  seen        BIGINT NOT NULL,
  PRIMARY KEY (stream_id, hash)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_latest (              -- newest version of each key, at the origin only
  stream_id   BIGINT NOT NULL,
  key_hash    VARBINARY(16) NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  op          VARBINARY(8) NOT NULL,
  fingerprint VARBINARY(32) NOT NULL,
  source      VARBINARY(48) NOT NULL,
  PRIMARY KEY (stream_id, key_hash)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_refusal (             -- lines of others this node stored and does not apply
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  code        VARBINARY(48) NOT NULL,
  pointer     VARBINARY(1024) NOT NULL,
  PRIMARY KEY (stream_id, gen, seq)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_receipt (             -- signed receipts that some acknowledgement rests on
  hash        VARBINARY(32) NOT NULL PRIMARY KEY,
  reader      VARBINARY(32) NOT NULL,
  origin      VARBINARY(32) NOT NULL,
  level       VARBINARY(16) NOT NULL,
  n           BIGINT UNSIGNED NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  sig         VARBINARY(256) NOT NULL,
  KEY origin (origin, reader, level)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_ack (                 -- newest position each reader acknowledged
  stream_id   BIGINT NOT NULL,
  reader      VARBINARY(32) NOT NULL,
  level       VARBINARY(16) NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  head        VARBINARY(32) NOT NULL,
  rejected    BIGINT UNSIGNED NOT NULL,
  receipt     VARBINARY(32) NOT NULL,
  at_us       BIGINT NOT NULL,
  n           BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (stream_id, reader, level),
  KEY receipt (receipt)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_counter (             -- numbers taken by compare-and-set: n and prev of receipts and notes
  name        VARBINARY(128) NOT NULL PRIMARY KEY,
  n           BIGINT UNSIGNED NOT NULL,
  hash        VARBINARY(32) NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_note (
  node        VARBINARY(32) NOT NULL PRIMARY KEY,
  body        MEDIUMBLOB NOT NULL,
  sig         VARBINARY(256) NOT NULL,
  arrived     BIGINT NOT NULL,
  n           BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_entry (
  node        VARBINARY(32) NOT NULL,
  n           BIGINT UNSIGNED NOT NULL,
  body        MEDIUMBLOB NOT NULL,
  sigs        MEDIUMBLOB NOT NULL,
  seen        BIGINT NOT NULL,
  state       VARBINARY(32) NOT NULL,
  PRIMARY KEY (node, n)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_peer_rejection (      -- what readers refused of the records this node published
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  stream      VARBINARY(160) NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  reader      VARBINARY(32) NOT NULL,
  code        VARBINARY(48) NOT NULL,
  pointer     VARBINARY(1024) NOT NULL,
  pack        VARBINARY(160) NOT NULL,
  at_us       BIGINT NOT NULL,
  is_open     TINYINT NOT NULL,
  UNIQUE KEY position (stream, gen, seq, reader),
  KEY is_open (is_open, id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_lease (
  name        VARBINARY(128) NOT NULL PRIMARY KEY,
  owner       VARBINARY(128) NOT NULL,                -- empty: free
  beat        BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_remembered (          -- answers to idempotent requests of the local API
  key_hash    VARBINARY(32) NOT NULL PRIMARY KEY,
  request     VARBINARY(32) NOT NULL,
  answer      MEDIUMBLOB NOT NULL,
  at_us       BIGINT NOT NULL,
  KEY at_us (at_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_event (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at_us       BIGINT NOT NULL,
  level       VARBINARY(16) NOT NULL,
  code        VARBINARY(48) NOT NULL,
  stream      VARBINARY(160) NOT NULL,
  peer        VARBINARY(32) NOT NULL,
  detail      VARBINARY(4096) NOT NULL,
  KEY at_us (at_us)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_consumer (            -- how far a consumer of this node has read a stream
  name        VARBINARY(48) NOT NULL,
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, stream_id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_tally (               -- what became of outbox rows
  source      VARBINARY(48) NOT NULL,
  record_type VARBINARY(48) NOT NULL,
  accepted    BIGINT UNSIGNED NOT NULL,
  rejected    BIGINT UNSIGNED NOT NULL,
  unchanged   BIGINT UNSIGNED NOT NULL,
  superseded  BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (source, record_type)
) ENGINE=InnoDB;
