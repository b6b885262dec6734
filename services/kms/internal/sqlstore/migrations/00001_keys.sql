-- Elastic keys and their versions. One text for SQLite and PostgreSQL; times are microseconds since 1970, UTC.

-- +goose Up
CREATE TABLE elastic_keys (
    tenant_id       TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    description     TEXT   NOT NULL,
    algorithm       TEXT   NOT NULL,
    key_size        BIGINT NOT NULL,
    curve           TEXT   NOT NULL,
    key_use         TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    primary_version BIGINT NOT NULL,
    version_count   BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE material_keys (
    tenant_id      TEXT    NOT NULL,
    elastic_key_id TEXT    NOT NULL,
    version        BIGINT  NOT NULL,
    id             TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    origin         TEXT    NOT NULL,
    exportable     BOOLEAN NOT NULL,
    wrapped_key    TEXT    NOT NULL,
    use_count      BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, elastic_key_id, version),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, elastic_key_id) REFERENCES elastic_keys (tenant_id, id)
);
