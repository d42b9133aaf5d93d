-- Rows of sources in other databases that are in segments and still lie there too, until a reader's receipt covers
-- them (design §5).

-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_taken (
  source      TEXT NOT NULL,
  id          INTEGER NOT NULL,                       -- the bits of an unsigned one; ids are used again, so the time belongs to it
  created_us  INTEGER NOT NULL,
  line_list   BLOB NOT NULL,                          -- JSON [[stream id, gen, seq],…]: where it is; null: it stays in the source
  PRIMARY KEY (source, id, created_us)
);
