-- +goose Up
-- What other replicas must hear of. Every change takes the next number of its lane in its transaction, and the lane's row stays locked
-- until the transaction ends, so that numbers are committed in their order. mark is random: it tells a number that was given once from
-- the same number given again after a backup was restored.
CREATE TABLE change_lanes (
    lane  BIGINT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL,
    mark  BIGINT NOT NULL
);
INSERT INTO change_lanes (lane, value, mark) VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0), (6, 0, 0), (7, 0, 0);
CREATE TABLE changes (
    lane      BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    mark      BIGINT NOT NULL,
    tenant_id TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    object_id TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (lane, seq)
);
