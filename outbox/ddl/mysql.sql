-- Contract tables for MySQL 5.7/8, MariaDB, TiDB and OceanBase (create the outbox with AUTO_INCREMENT_MODE = 'ORDER' there).
-- TiDB reads the T! comment, without which ids of two SQL servers are not in order. Columns are only ever added, nullable or with a default.

CREATE TABLE IF NOT EXISTS exchange_outbox (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  record_type VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  record_key  VARBINARY(128) NOT NULL,                                                      -- UTF-8, NFC, no outer spaces or control characters
  op          VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'put',  -- put | del
  payload     MEDIUMTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,                -- the whole record as JSON, NULL for del
  flags       VARCHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NULL,                    -- resend | repair:<id in exchange_rejected>
  created     TIMESTAMP(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  KEY record_type (record_type, id)
) ENGINE=InnoDB /*T![auto_id_cache] AUTO_ID_CACHE 1 */;

CREATE TABLE IF NOT EXISTS exchange_rejected (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  source      VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  row_id      BIGINT UNSIGNED NOT NULL,
  record_type VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  record_key  VARBINARY(128) NOT NULL,
  op          VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payload     MEDIUMTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  created     TIMESTAMP(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  rejected_at TIMESTAMP(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  code        VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,                -- of the first fault
  faults      MEDIUMTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,            -- JSON: [{code, pointer, title, message, hint}]
  state       VARCHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open', -- open | resubmitted | superseded | closed
  KEY source_state (source, state, id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS exchange_inbox (
  stream      VARCHAR(160)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL,
  record_type VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  record_key  VARBINARY(128) NOT NULL,
  op          VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,                -- put | del | erase
  payload     MEDIUMTEXT     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  occurred    TIMESTAMP(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),                         -- when it was published at its origin
  received    TIMESTAMP(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (stream, gen, seq)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS exchange_inbox_cursor (
  stream      VARCHAR(160)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  gen         BIGINT UNSIGNED NOT NULL,
  seq         BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;
