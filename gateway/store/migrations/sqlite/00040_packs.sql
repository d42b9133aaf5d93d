-- Schema packs that travel in exchange_pack streams (protocol §8), as in ../mysql.

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_pack (                -- packs that came whole
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  origin      TEXT NOT NULL,                          -- whose stream brought it
  digest      BLOB NOT NULL,                          -- SM3 of the pack file
  name        TEXT NOT NULL,
  version     TEXT NOT NULL,
  state       TEXT NOT NULL,                          -- a word of package packs
  code        TEXT NOT NULL,
  reason      TEXT NOT NULL,                          -- why it is in this state, for people; JSON
  decided_by  TEXT NOT NULL,                          -- empty: the node itself
  seen        INTEGER NOT NULL,
  decided     INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS fayi_pack_digest ON fayi_pack (origin, digest);

CREATE TABLE IF NOT EXISTS fayi_pack_part (           -- the bytes of packs, in pieces below any packet's limit
  origin      TEXT NOT NULL,
  digest      BLOB NOT NULL,
  part        INTEGER NOT NULL,
  parts       INTEGER NOT NULL,
  name        TEXT NOT NULL,
  version     TEXT NOT NULL,
  seen        INTEGER NOT NULL,
  data        BLOB NOT NULL,
  PRIMARY KEY (origin, digest, part)
);

CREATE TABLE IF NOT EXISTS fayi_pack_trial (          -- what became of rows in a pack's first ten minutes
  pack_id     INTEGER NOT NULL,
  source      TEXT NOT NULL,
  judged      INTEGER NOT NULL,
  failed      INTEGER NOT NULL,                       -- refused by the pack, accepted by the version before
  PRIMARY KEY (pack_id, source)
);
