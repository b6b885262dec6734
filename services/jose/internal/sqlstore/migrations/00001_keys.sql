-- Keys and their versions, profiles of tokens, revocations. One text for SQLite and PostgreSQL; times are microseconds since 1970, UTC, and 0
-- is no time; durations are microseconds.

-- +goose Up
CREATE TABLE jose_keys (
    tenant_id      TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    name           TEXT    NOT NULL, -- the id once the key is destroyed
    description    TEXT    NOT NULL,
    algorithm      TEXT    NOT NULL,
    key_size       BIGINT  NOT NULL,
    curve          TEXT    NOT NULL,
    key_use        TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    published      BOOLEAN NOT NULL,
    exportable     BOOLEAN NOT NULL,
    token_lifetime BIGINT  NOT NULL,
    version_count  BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    revision       BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE jose_key_versions (
    tenant_id       TEXT   NOT NULL,
    key_id          TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    id              TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    origin          TEXT   NOT NULL,
    activate_at     BIGINT NOT NULL,
    retire_at       BIGINT NOT NULL,
    published_until BIGINT NOT NULL,
    token_lifetime  BIGINT NOT NULL, -- the longest that was allowed while the version was in use
    wrapped_key     TEXT   NOT NULL, -- empty when the material is gone
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key_id, version),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, key_id) REFERENCES jose_keys (tenant_id, id)
);
CREATE INDEX jose_key_versions_pending ON jose_key_versions (tenant_id, activate_at) WHERE status = 'pending';
CREATE INDEX jose_key_versions_succeeded ON jose_key_versions (tenant_id, retire_at) WHERE status = 'active' AND retire_at > 0;

CREATE TABLE jose_profiles (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    key_id      TEXT,            -- NULL where the keys are somebody else's
    policy      TEXT   NOT NULL, -- JSON
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, key_id) REFERENCES jose_keys (tenant_id, id)
);

CREATE TABLE jose_revocations (
    tenant_id  TEXT   NOT NULL,
    profile_id TEXT   NOT NULL,
    token_id   TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, profile_id, token_id),
    FOREIGN KEY (tenant_id, profile_id) REFERENCES jose_profiles (tenant_id, id)
);
CREATE INDEX jose_revocations_by_expiry ON jose_revocations (tenant_id, expires_at);
