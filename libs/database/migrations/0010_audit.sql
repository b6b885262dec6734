-- +goose Up
-- An event is inserted here in the transaction of what it tells. mac is HMAC-SHA-256 over body, the event's JSON.
CREATE TABLE audit_pending (
    tenant_id TEXT  NOT NULL,
    id        TEXT  NOT NULL,
    body      TEXT  NOT NULL,
    mac       BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- The sequencer moves it here, under the next number of the tenant's chain. body, seq and prev are what hash covers; mac is over hash.
-- The columns before body repeat what it says, for searching only.
CREATE TABLE audit_events (
    tenant_id   TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    id          TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    action      TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    actor_id    TEXT   NOT NULL,
    object_kind TEXT   NOT NULL,
    object_id   TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    prev        BYTEA  NOT NULL,
    hash        BYTEA  NOT NULL,
    mac         BYTEA  NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE UNIQUE INDEX audit_events_id ON audit_events (tenant_id, id);
CREATE INDEX audit_events_at ON audit_events (tenant_id, at);
CREATE INDEX audit_events_actor ON audit_events (tenant_id, actor_id, seq);
CREATE INDEX audit_events_object ON audit_events (tenant_id, object_id, seq);
-- Signed statements of what the chain was.
CREATE TABLE audit_checkpoints (
    tenant_id TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    jws       TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
-- The end of each chain. Events up to cut_seq are removed, those up to signed_seq are under a checkpoint; open_since is when the
-- oldest event after that was numbered. mac covers all columns.
CREATE TABLE audit_chains (
    tenant_id  TEXT   NOT NULL PRIMARY KEY,
    seq        BIGINT NOT NULL,
    hash       BYTEA  NOT NULL,
    cut_seq    BIGINT NOT NULL,
    signed_seq BIGINT NOT NULL,
    open_since BIGINT NOT NULL,
    mac        BYTEA  NOT NULL
);
CREATE INDEX audit_chains_open ON audit_chains (open_since) WHERE seq > signed_seq;
-- The service's own keys, sealed: 'mac' for the macs and keyed hashes, 'signature' for checkpoints.
CREATE TABLE audit_keys (
    kind       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    jwe        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (kind, version)
);
-- How far each journal file, and each process's batches, have been taken over: written together with their events, so that none
-- comes twice.
CREATE TABLE audit_sources (
    id         TEXT   NOT NULL PRIMARY KEY,
    position   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
