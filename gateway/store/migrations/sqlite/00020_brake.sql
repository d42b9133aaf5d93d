-- Brakes (design §5): how many keys a source has in a stream, what it changed lately, and which types wait for a person.

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_keys (                -- keys that exist, counted as they come and go
  source      TEXT NOT NULL,
  stream_id   INTEGER NOT NULL,
  live        INTEGER NOT NULL,
  PRIMARY KEY (source, stream_id)
);

INSERT OR IGNORE INTO fayi_keys (source,stream_id,live)
  SELECT source, stream_id, COUNT(*) FROM fayi_latest WHERE op='put' GROUP BY source, stream_id;

CREATE TABLE IF NOT EXISTS fayi_pace (                -- what was deleted and changed in one slot of time
  source      TEXT NOT NULL,
  stream_id   INTEGER NOT NULL,
  slot        INTEGER NOT NULL,                        -- its beginning, Unix µs
  gen         INTEGER NOT NULL,               -- where the stream ended before the slot's first change
  seq         INTEGER NOT NULL,
  deletes     INTEGER NOT NULL,
  changes     INTEGER NOT NULL,
  PRIMARY KEY (source, stream_id, slot)
);

CREATE TABLE IF NOT EXISTS fayi_brake (
  source      TEXT NOT NULL,
  record_type TEXT NOT NULL,
  state       TEXT NOT NULL,                 -- held, confirmed, refused
  op          TEXT NOT NULL,                  -- rows that a refusal is about; empty: all
  why         TEXT NOT NULL,                 -- deletes, changes
  count_seen  INTEGER NOT NULL,
  count_limit INTEGER NOT NULL,
  live        INTEGER NOT NULL,
  remaining   INTEGER NOT NULL,                        -- rows the decision still covers
  since       INTEGER NOT NULL,
  PRIMARY KEY (source, record_type)
);
