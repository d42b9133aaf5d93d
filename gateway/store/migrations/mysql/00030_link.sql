-- How a process of this node last saw each peer it dials (docs/operations.md). One row a peer, written when the link's
-- state changes and now and then while it is good.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS fayi_link (
  peer     VARBINARY(32) NOT NULL PRIMARY KEY,
  state    VARBINARY(16) NOT NULL,
  code     VARBINARY(48) NOT NULL,
  detail   VARBINARY(1024) NOT NULL,
  failures BIGINT NOT NULL,
  since_us BIGINT NOT NULL,
  ok_us    BIGINT NOT NULL,
  retry_us BIGINT NOT NULL,
  now_us   BIGINT NOT NULL
) ENGINE=InnoDB;
