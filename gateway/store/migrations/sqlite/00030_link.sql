-- As ../mysql/00030_link.sql.

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_link (
  peer     TEXT NOT NULL PRIMARY KEY,
  state    TEXT NOT NULL,
  code     TEXT NOT NULL,
  detail   TEXT NOT NULL,
  failures INTEGER NOT NULL,
  since_us INTEGER NOT NULL,
  ok_us    INTEGER NOT NULL,
  retry_us INTEGER NOT NULL,
  now_us   INTEGER NOT NULL
);
