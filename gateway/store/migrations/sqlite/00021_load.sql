-- How far each file was loaded straight into a stream (design §5, bulk path).

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_load (
  file        BLOB NOT NULL,                 -- SM3 of its bytes
  source      TEXT NOT NULL,
  record_type TEXT NOT NULL,
  op          TEXT NOT NULL,
  name        TEXT NOT NULL,                -- for people
  done        INTEGER NOT NULL,                        -- records of the file that are dealt with, from its beginning
  accepted    INTEGER NOT NULL,
  rejected    INTEGER NOT NULL,
  unchanged   INTEGER NOT NULL,
  superseded  INTEGER NOT NULL,
  began       INTEGER NOT NULL,
  ended       INTEGER NOT NULL,                        -- 0: not to the end yet
  PRIMARY KEY (file, source, record_type, op)
);
