-- Brakes (design §5): how many keys a source has in a stream, what it changed lately, and which types wait for a person.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_keys (                -- keys that exist, counted as they come and go
  source      VARBINARY(48) NOT NULL,
  stream_id   BIGINT NOT NULL,
  live        BIGINT NOT NULL,
  PRIMARY KEY (source, stream_id)
) ENGINE=InnoDB;

INSERT IGNORE INTO fayi_keys (source,stream_id,live)
  SELECT source, stream_id, COUNT(*) FROM fayi_latest WHERE op='put' GROUP BY source, stream_id;

CREATE TABLE IF NOT EXISTS fayi_pace (                -- what was deleted and changed in one slot of time
  source      VARBINARY(48) NOT NULL,
  stream_id   BIGINT NOT NULL,
  slot        BIGINT NOT NULL,                        -- its beginning, Unix µs
  gen         BIGINT UNSIGNED NOT NULL,               -- where the stream ended before the slot's first change
  seq         BIGINT UNSIGNED NOT NULL,
  deletes     BIGINT NOT NULL,
  changes     BIGINT NOT NULL,
  PRIMARY KEY (source, stream_id, slot)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS fayi_brake (
  source      VARBINARY(48) NOT NULL,
  record_type VARBINARY(48) NOT NULL,
  state       VARBINARY(16) NOT NULL,                 -- held, confirmed, refused
  op          VARBINARY(8) NOT NULL,                  -- rows that a refusal is about; empty: all
  why         VARBINARY(16) NOT NULL,                 -- deletes, changes
  count_seen  BIGINT NOT NULL,
  count_limit BIGINT NOT NULL,
  live        BIGINT NOT NULL,
  remaining   BIGINT NOT NULL,                        -- rows the decision still covers
  since       BIGINT NOT NULL,
  PRIMARY KEY (source, record_type)
) ENGINE=InnoDB;
