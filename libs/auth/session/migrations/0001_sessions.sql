-- +goose Up
-- One row per session. secret_hash is of the random part of what the holder presents. scopes, roles and methods are JSON arrays: what the
-- principal had when the session began. confirmation is the SHA-256 thumbprint of the client certificate it is bound to, or empty.
CREATE TABLE sessions (
    tenant_id        TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    client           TEXT   NOT NULL CHECK (client IN ('browser', 'service')),
    format           TEXT   NOT NULL CHECK (format IN ('opaque', 'jws', 'jwe')),
    realm            TEXT   NOT NULL,
    kind             TEXT   NOT NULL,
    principal_id     TEXT   NOT NULL,
    name             TEXT   NOT NULL,
    login            TEXT   NOT NULL,
    scopes           TEXT   NOT NULL,
    roles            TEXT   NOT NULL,
    methods          TEXT   NOT NULL,
    secret_hash      TEXT   NOT NULL,
    confirmation     BYTEA  NOT NULL,
    address          TEXT   NOT NULL,
    user_agent       TEXT   NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL,
    idle_seconds     BIGINT NOT NULL,
    idle_expires_at  BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sessions_owner ON sessions (tenant_id, kind, principal_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX sessions_idle ON sessions (idle_expires_at);

-- One row per principal with sessions, whose lock puts their beginnings and ends in an order. A session whose authentication is not
-- younger than revoked_at does not begin.
CREATE TABLE session_owners (
    tenant_id    TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    principal_id TEXT   NOT NULL,
    revoked_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, principal_id)
);
CREATE INDEX session_owners_age ON session_owners (changed_at);

-- Keys of the formats jws and jwe, encrypted by the barrier. The highest version of a format makes new tokens, all of them verify.
CREATE TABLE session_keys (
    tenant_id  TEXT   NOT NULL,
    format     TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    jwe        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, format, version),
    UNIQUE (tenant_id, id)
);

-- Since when logins go through the identity provider: no row, or the one row of name 'federated'.
CREATE TABLE session_modes (
    name  TEXT   NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
