-- How far each file was loaded straight into a stream (design §5, bulk path).

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_load (
  file        VARBINARY(32) NOT NULL,                 -- SM3 of its bytes
  source      VARBINARY(48) NOT NULL,
  record_type VARBINARY(48) NOT NULL,
  op          VARBINARY(8) NOT NULL,
  name        VARBINARY(255) NOT NULL,                -- for people
  done        BIGINT NOT NULL,                        -- records of the file that are dealt with, from its beginning
  accepted    BIGINT NOT NULL,
  rejected    BIGINT NOT NULL,
  unchanged   BIGINT NOT NULL,
  superseded  BIGINT NOT NULL,
  began       BIGINT NOT NULL,
  ended       BIGINT NOT NULL,                        -- 0: not to the end yet
  PRIMARY KEY (file, source, record_type, op)
) ENGINE=InnoDB;
