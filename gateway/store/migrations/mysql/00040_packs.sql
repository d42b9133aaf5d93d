-- Schema packs that travel in exchange_pack streams (protocol §8).

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_pack (                -- packs that came whole
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  origin      VARBINARY(32) NOT NULL,                 -- whose stream brought it
  digest      VARBINARY(32) NOT NULL,                 -- SM3 of the pack file
  name        VARBINARY(32) NOT NULL,
  version     VARBINARY(32) NOT NULL,
  state       VARBINARY(16) NOT NULL,                 -- a word of package packs
  code        VARBINARY(48) NOT NULL,
  reason      VARBINARY(4096) NOT NULL,               -- why it is in this state, for people; JSON
  decided_by  VARBINARY(64) NOT NULL,                 -- empty: the node itself
  seen        BIGINT NOT NULL,
  decided     BIGINT NOT NULL,
  UNIQUE KEY digest (origin, digest)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_pack_part (           -- the bytes of packs, in pieces below any packet's limit
  origin      VARBINARY(32) NOT NULL,
  digest      VARBINARY(32) NOT NULL,
  part        BIGINT NOT NULL,
  parts       BIGINT NOT NULL,
  name        VARBINARY(32) NOT NULL,
  version     VARBINARY(32) NOT NULL,
  seen        BIGINT NOT NULL,
  data        MEDIUMBLOB NOT NULL,
  PRIMARY KEY (origin, digest, part)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_pack_trial (          -- what became of rows in a pack's first ten minutes
  pack_id     BIGINT NOT NULL,
  source      VARBINARY(48) NOT NULL,
  judged      BIGINT NOT NULL,
  failed      BIGINT NOT NULL,                        -- refused by the pack, accepted by the version before
  PRIMARY KEY (pack_id, source)
) ENGINE=InnoDB;
