-- +goose Up
-- The hierarchy of wrapping keys. The root key belongs to no tenant: its tenant_id is ''.
CREATE TABLE barrier_keys (
    tenant_id  TEXT   NOT NULL,
    level      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    parent_id  TEXT   NOT NULL,
    jwe        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, level, version),
    UNIQUE (id)
);
