-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_archived (             -- bodies that were moved to files (package archive); fayi_body.body is empty then
  stream_id   INTEGER NOT NULL,
  gen         INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  body_hash   BLOB NOT NULL,                   -- SM3 of the body
  PRIMARY KEY (stream_id, gen, first_seq)
) WITHOUT ROWID;
