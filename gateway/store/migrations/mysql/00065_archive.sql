-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_archived (             -- bodies that were moved to files (package archive); fayi_body.body is empty then
  stream_id   BIGINT NOT NULL,
  gen         BIGINT UNSIGNED NOT NULL,
  first_seq   BIGINT UNSIGNED NOT NULL,
  body_hash   VARBINARY(32) NOT NULL,                   -- SM3 of the body
  PRIMARY KEY (stream_id, gen, first_seq)
) ENGINE=InnoDB;
