-- +goose Up
-- One row per request with an Idempotency-Key. scope_hash is SHA-256 over principal, method, route and key; a row is 'running' while
-- the request is worked on, under a claim with an attempt number, then 'done' with the encrypted answer.
CREATE TABLE idempotency_records (
    tenant_id   TEXT   NOT NULL,
    scope_hash  BYTEA  NOT NULL,
    id          TEXT   NOT NULL,
    fingerprint BYTEA  NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('running', 'done')),
    attempt     BIGINT NOT NULL,
    answer      TEXT,
    claimed_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, scope_hash)
);
CREATE INDEX idempotency_records_expiry ON idempotency_records (expires_at);
