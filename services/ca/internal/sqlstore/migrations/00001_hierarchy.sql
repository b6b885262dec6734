-- Certification authorities and their certificates. One text for SQLite and PostgreSQL; times are microseconds since 1970, UTC, and 0 is no time.

-- +goose Up
CREATE TABLE ca_authorities (
    tenant_id    TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL, -- the id once the key is destroyed
    description  TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    family       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    custody      TEXT    NOT NULL,
    algorithm    TEXT    NOT NULL,
    key_size     BIGINT  NOT NULL,
    subject      BYTEA   NOT NULL, -- DER
    spki         BYTEA   NOT NULL, -- DER
    key_id       BYTEA   NOT NULL,
    parent_id    TEXT    NOT NULL, -- empty for none
    profiles     TEXT    NOT NULL, -- JSON, sorted as they were given
    base_url     TEXT    NOT NULL,
    shards       BIGINT  NOT NULL,
    lab          BOOLEAN NOT NULL,
    successor_id TEXT    NOT NULL,
    succeeded_at BIGINT  NOT NULL,
    wrapped_key  TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    revision     BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    UNIQUE (tenant_id, key_id)
);

CREATE TABLE ca_authority_certificates (
    tenant_id     TEXT    NOT NULL,
    ca_id         TEXT    NOT NULL,
    issuer_key_id BYTEA   NOT NULL,
    serial        TEXT    NOT NULL, -- unique with its issuer only: another's numbers are not ours
    issuer_id     TEXT    NOT NULL, -- empty for a CA that is not here
    is_primary    BOOLEAN NOT NULL,
    der           BYTEA   NOT NULL,
    above         BYTEA   NOT NULL, -- certificates, one after the other
    not_before    BIGINT  NOT NULL,
    not_after     BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, ca_id, issuer_key_id, serial),
    FOREIGN KEY (tenant_id, ca_id) REFERENCES ca_authorities (tenant_id, id)
);
