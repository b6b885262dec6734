-- Elastic keys and their versions. One text for SQLite and PostgreSQL; times are microseconds since 1970, UTC, and 0 is no time.

-- +goose Up
CREATE TABLE elastic_keys (
    tenant_id           TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    name                TEXT    NOT NULL, -- the id once the key is deleted
    description         TEXT    NOT NULL,
    tags                TEXT    NOT NULL, -- JSON; key_tags finds keys by them
    algorithm           TEXT    NOT NULL,
    key_size            BIGINT  NOT NULL,
    curve               TEXT    NOT NULL,
    key_use             TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    origin              TEXT    NOT NULL,
    exportable          BOOLEAN NOT NULL,
    published           BOOLEAN NOT NULL, -- in the tenant's JWK Set
    versioning_allowed  BOOLEAN NOT NULL,
    import_allowed      BOOLEAN NOT NULL,
    primary_version     BIGINT  NOT NULL,
    version_count       BIGINT  NOT NULL,
    min_decrypt_version BIGINT  NOT NULL,
    min_encrypt_version BIGINT  NOT NULL,
    policy              TEXT    NOT NULL, -- JSON
    rotation_every      BIGINT  NOT NULL, -- microseconds
    rotation_uses       BIGINT  NOT NULL,
    rotation_bytes      BIGINT  NOT NULL,
    notify_before       BIGINT  NOT NULL, -- microseconds
    next_rotation_at    BIGINT  NOT NULL,
    notified_at         BIGINT  NOT NULL, -- for the rotation at this time an event has been written
    delete_at           BIGINT  NOT NULL,
    refused_uses        BIGINT  NOT NULL, -- while the key waited for its deletion
    refused_at          BIGINT  NOT NULL,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    revision            BIGINT  NOT NULL,
    seal                TEXT    NOT NULL, -- MAC of what decides about the key; so in the tables below
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX elastic_keys_by_rotation ON elastic_keys (tenant_id, next_rotation_at) WHERE next_rotation_at > 0;
CREATE INDEX elastic_keys_by_deletion ON elastic_keys (tenant_id, delete_at) WHERE delete_at > 0;
CREATE INDEX elastic_keys_by_generation ON elastic_keys (tenant_id, updated_at) WHERE status = 'pending_generate';
CREATE INDEX elastic_keys_by_publication ON elastic_keys (tenant_id, id) WHERE published;
CREATE INDEX elastic_keys_by_usage ON elastic_keys (tenant_id, id) WHERE rotation_uses > 0 OR rotation_bytes > 0;

-- Names and aliases are one name space.
CREATE TABLE key_names (
    tenant_id      TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    elastic_key_id TEXT    NOT NULL,
    alias          BOOLEAN NOT NULL,
    revision       BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    seal           TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);
CREATE INDEX key_names_by_key ON key_names (tenant_id, elastic_key_id, name);

CREATE TABLE key_tags (
    tenant_id      TEXT NOT NULL,
    name           TEXT NOT NULL,
    value          TEXT NOT NULL,
    elastic_key_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name, elastic_key_id),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);
CREATE INDEX key_tags_by_key ON key_tags (tenant_id, elastic_key_id);

-- Keys that came from a backup, by a digest of what it says of them, so that a restore that is repeated goes on where it was cut off.
CREATE TABLE restored_keys (
    tenant_id      TEXT   NOT NULL,
    elastic_key_id TEXT   NOT NULL,
    digest         TEXT   NOT NULL,
    restored_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, elastic_key_id),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);

-- One-shot keys to which backups are encrypted that are to be restored here.
CREATE TABLE restore_recipients (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    wrapped_key TEXT   NOT NULL, -- empty once it is used
    used_for    TEXT   NOT NULL, -- the SHA-256 of the backup
    report      TEXT   NOT NULL, -- JSON, of the restore that used it
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX restore_recipients_by_expiry ON restore_recipients (tenant_id, expires_at);

CREATE TABLE material_keys (
    tenant_id       TEXT    NOT NULL,
    elastic_key_id  TEXT    NOT NULL,
    version         BIGINT  NOT NULL,
    id              TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    origin          TEXT    NOT NULL,
    exportable      BOOLEAN NOT NULL,
    wrapped_key     TEXT    NOT NULL, -- empty when the material is gone
    commitment      TEXT    NOT NULL,
    was_compromised BOOLEAN NOT NULL,
    destroy_at      BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    use_count       BIGINT  NOT NULL,
    byte_count      BIGINT  NOT NULL,
    last_used_at    BIGINT  NOT NULL,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    seal            TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, elastic_key_id, version),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);
CREATE INDEX material_keys_by_destruction ON material_keys (tenant_id, destroy_at) WHERE destroy_at > 0;
CREATE INDEX material_keys_by_expiry ON material_keys (tenant_id, expires_at) WHERE expires_at > 0;

-- One row, of no tenant: how far the service knows that time has come. Waits are measured by it, so that a wrong clock ends none early.
CREATE TABLE clock_witness (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);

-- Wrapping keys for the import of one version each.
CREATE TABLE import_jobs (
    tenant_id      TEXT   NOT NULL,
    elastic_key_id TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    token_hash     TEXT   NOT NULL,
    method         TEXT   NOT NULL,
    key_size       BIGINT NOT NULL,
    curve          TEXT   NOT NULL,
    status         TEXT   NOT NULL, -- open, used or exhausted
    attempts       BIGINT NOT NULL,
    wrapped_key    TEXT   NOT NULL, -- empty when the job is over
    version        BIGINT NOT NULL, -- that it has made or filled
    expires_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);
CREATE INDEX import_jobs_by_key ON import_jobs (tenant_id, elastic_key_id, id);
CREATE INDEX import_jobs_by_life ON import_jobs (tenant_id, expires_at) WHERE wrapped_key <> '';
CREATE INDEX import_jobs_by_age ON import_jobs (tenant_id, expires_at);

-- Keys that sign statements about a tenant's keys. The highest version signs, all of them verify.
CREATE TABLE attestation_keys (
    tenant_id   TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    id          TEXT   NOT NULL,
    wrapped_key TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, version)
);
