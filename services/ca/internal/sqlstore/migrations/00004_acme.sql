-- ACME: accounts, orders, authorizations, keys of external accounts, nonces that were used. One text for SQLite and PostgreSQL; times are microseconds
-- since 1970, UTC, and 0 is no time.

-- +goose Up
CREATE TABLE acme_accounts (
    tenant_id    TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    directory    TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    public_key   TEXT   NOT NULL, -- JWK
    thumbprint   TEXT   NOT NULL, -- RFC 7638, SHA-256
    contacts     TEXT   NOT NULL, -- JSON
    terms        TEXT   NOT NULL, -- the URL that was agreed to; empty for none
    external_key TEXT   NOT NULL, -- empty for none
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    revision     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, directory, thumbprint)
);

CREATE TABLE acme_authorizations (
    tenant_id       TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    account_id      TEXT   NOT NULL,
    directory       TEXT   NOT NULL,
    identifier_type TEXT   NOT NULL,
    identifier      TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    expires_at      BIGINT NOT NULL,
    challenges      TEXT   NOT NULL, -- JSON
    remotes         BIGINT NOT NULL, -- perspectives that were asked
    due_at          BIGINT NOT NULL, -- when somebody must work on it, or a claim ends; 0 for never
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    revision        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES acme_accounts (tenant_id, id)
);
CREATE INDEX acme_authorizations_proved ON acme_authorizations (tenant_id, account_id, identifier_type, identifier, expires_at) WHERE status = 'valid';
CREATE INDEX acme_authorizations_due ON acme_authorizations (tenant_id, due_at) WHERE due_at > 0;
CREATE INDEX acme_authorizations_by_expiry ON acme_authorizations (tenant_id, expires_at);

CREATE TABLE acme_orders (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    account_id  TEXT   NOT NULL,
    directory   TEXT   NOT NULL,
    profile     TEXT   NOT NULL,
    status      TEXT   NOT NULL, -- as stored: what its authorizations make of it is not
    identifiers TEXT   NOT NULL, -- JSON
    not_before  BIGINT NOT NULL, -- as wished
    not_after   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    replaces    TEXT   NOT NULL, -- identifier of RFC 9773 section 4.1; empty for none
    csr         BYTEA  NOT NULL,
    serial      TEXT   NOT NULL, -- of the certificate; empty for none
    problem     TEXT   NOT NULL, -- JSON; empty for none
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL, -- when somebody must work on it, or a claim ends; 0 for never
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES acme_accounts (tenant_id, id)
);
CREATE UNIQUE INDEX acme_orders_replacing ON acme_orders (tenant_id, replaces) WHERE replaces <> '' AND status <> 'invalid';
CREATE UNIQUE INDEX acme_orders_by_serial ON acme_orders (tenant_id, serial) WHERE serial <> '';
CREATE INDEX acme_orders_of_account ON acme_orders (tenant_id, account_id, id);
CREATE INDEX acme_orders_due ON acme_orders (tenant_id, due_at) WHERE due_at > 0;
CREATE INDEX acme_orders_by_expiry ON acme_orders (tenant_id, expires_at) WHERE serial = '';

CREATE TABLE acme_order_authorizations (
    tenant_id        TEXT   NOT NULL,
    order_id         TEXT   NOT NULL,
    place            BIGINT NOT NULL, -- in the order of the identifiers
    authorization_id TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, order_id, place),
    FOREIGN KEY (tenant_id, order_id) REFERENCES acme_orders (tenant_id, id),
    FOREIGN KEY (tenant_id, authorization_id) REFERENCES acme_authorizations (tenant_id, id)
);
CREATE INDEX acme_order_authorizations_by_authorization ON acme_order_authorizations (tenant_id, authorization_id);

CREATE TABLE acme_external_keys (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    directory   TEXT   NOT NULL, -- empty for any
    label       TEXT   NOT NULL,
    wrapped_key TEXT   NOT NULL, -- empty when it is gone
    account_id  TEXT   NOT NULL, -- that it has bound; empty for none
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    bound_at    BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE acme_nonces (
    tenant_id  TEXT   NOT NULL,
    use_hash   BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, use_hash)
);
CREATE INDEX acme_nonces_by_expiry ON acme_nonces (tenant_id, expires_at);
