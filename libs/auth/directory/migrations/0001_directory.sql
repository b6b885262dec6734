-- Who may call: users, clients, API tokens, roles, and what they may do with single resources. Times are microseconds since 1970, UTC;
-- scopes are separated by spaces. Names and addresses of people stand in the barrier's wrapping only, and are found by keyed hashes.

-- +goose Up
CREATE TABLE auth_login_keys (
    tenant_id   TEXT   NOT NULL PRIMARY KEY,
    wrapped_key TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE auth_users (
    tenant_id     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    disabled      BOOLEAN NOT NULL,
    expires_at    BIGINT  NOT NULL,
    version       BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE auth_logins (
    tenant_id   TEXT NOT NULL,
    login_index TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, login_index),
    FOREIGN KEY (tenant_id, user_id) REFERENCES auth_users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX auth_logins_by_user ON auth_logins (tenant_id, user_id);

CREATE TABLE auth_login_origins (
    tenant_id TEXT   NOT NULL,
    user_id   TEXT   NOT NULL,
    origin    TEXT   NOT NULL,
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, origin),
    FOREIGN KEY (tenant_id, user_id) REFERENCES auth_users (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE auth_clients (
    tenant_id   TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    scopes      TEXT    NOT NULL,
    disabled    BOOLEAN NOT NULL,
    expires_at  BIGINT  NOT NULL,
    version     BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE auth_client_secrets (
    tenant_id   TEXT   NOT NULL,
    client_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    secret_hash TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, client_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES auth_clients (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE auth_client_certificates (
    tenant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value),
    FOREIGN KEY (tenant_id, client_id) REFERENCES auth_clients (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX auth_client_certificates_by_client ON auth_client_certificates (tenant_id, client_id);
CREATE INDEX auth_client_certificates_by_name ON auth_client_certificates (kind, value);

CREATE TABLE auth_api_tokens (
    tenant_id   TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    owner_id    TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    secret_hash TEXT    NOT NULL,
    scopes      TEXT    NOT NULL,
    disabled    BOOLEAN NOT NULL,
    expires_at  BIGINT  NOT NULL,
    version     BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX auth_api_tokens_by_owner ON auth_api_tokens (tenant_id, owner_id, id);

CREATE TABLE auth_roles (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    scopes      TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

-- A role is one of this table's, or a built-in one, by its name.
CREATE TABLE auth_role_bindings (
    tenant_id    TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    role_id      TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject_id   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, subject_kind, subject_id, role_id)
);
CREATE INDEX auth_role_bindings_by_role ON auth_role_bindings (tenant_id, role_id, id);

CREATE TABLE auth_grants (
    tenant_id     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    subject_kind  TEXT    NOT NULL,
    subject_id    TEXT    NOT NULL,
    resource_kind TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    by_prefix     BOOLEAN NOT NULL,
    scopes        TEXT    NOT NULL,
    terms         TEXT    NOT NULL, -- in the words of whoever decides about the resource; empty for none
    retiring_kind TEXT    NOT NULL, -- who else may give the grant up; empty for nobody
    retiring_id   TEXT    NOT NULL,
    maker_kind    TEXT    NOT NULL,
    maker_id      TEXT    NOT NULL,
    expires_at    BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX auth_grants_by_subject ON auth_grants (tenant_id, subject_kind, subject_id, id);
CREATE INDEX auth_grants_by_resource ON auth_grants (tenant_id, resource_kind, resource, id);
