-- +goose Up
-- One row. Whoever changes the hierarchy of wrapping keys updates it first in his transaction: the row's lock makes such changes happen one
-- after another, and the number tells other replicas that there is something to read.
CREATE TABLE barrier_hierarchy (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL
);
INSERT INTO barrier_hierarchy (id, generation) VALUES (1, 0);
CREATE INDEX barrier_keys_parent ON barrier_keys (parent_id);
-- At most one row: the change of unseal material under way. The root keys under the new unseal key stand in barrier_keys, level staged.
CREATE TABLE barrier_rekeys (
    slot        TEXT   NOT NULL PRIMARY KEY CHECK (slot = 'rekey'),
    id          TEXT   NOT NULL,
    from_key_id TEXT   NOT NULL,
    to_key_id   TEXT   NOT NULL,
    mode        TEXT   NOT NULL,
    threshold   BIGINT NOT NULL,
    shares      BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    verified_at BIGINT NOT NULL
);
-- Unseal keys encrypted by something outside: a private JWK, another installation, or recovery shares. Times of 0 mean "not yet".
CREATE TABLE barrier_sealed_keys (
    id            TEXT   NOT NULL PRIMARY KEY,
    unseal_key_id TEXT   NOT NULL,
    mode          TEXT   NOT NULL,
    sealer        TEXT   NOT NULL,
    sealed        TEXT   NOT NULL,
    threshold     BIGINT NOT NULL,
    shares        BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    verified_at   BIGINT NOT NULL
);
CREATE INDEX barrier_sealed_keys_unseal_key ON barrier_sealed_keys (unseal_key_id);
-- How far the forced re-wrapping is, per source of values. position is the source's own cursor.
CREATE TABLE barrier_rewraps (
    source      TEXT   NOT NULL PRIMARY KEY,
    run         TEXT   NOT NULL,
    position    TEXT   NOT NULL,
    scanned     BIGINT NOT NULL,
    rewrapped   BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    failure     TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);
