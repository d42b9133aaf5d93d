-- Rows of sources in other databases that are in segments and still lie there too, until a reader's receipt covers
-- them (design §5). Every statement may run twice.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_taken (
  source      VARBINARY(48) NOT NULL,
  id          BIGINT NOT NULL,                        -- the bits of an unsigned one; ids are used again, so the time belongs to it
  created_us  BIGINT NOT NULL,
  line_list   VARBINARY(4096) NOT NULL,               -- JSON [[stream id, gen, seq],…]: where it is; null: it stays in the source
  PRIMARY KEY (source, id, created_us)
) ENGINE=InnoDB;
