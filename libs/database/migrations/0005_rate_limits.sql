-- +goose Up
-- One row per key with a limit: its theoretical arrival time. key_hash is a keyed hash, so that no address or login name stands here.
CREATE TABLE rate_limits (
    key_hash BYTEA  NOT NULL PRIMARY KEY,
    tat      BIGINT NOT NULL
);
CREATE INDEX rate_limits_tat ON rate_limits (tat);
