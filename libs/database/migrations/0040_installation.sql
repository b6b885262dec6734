-- +goose Up
-- One row, made at the first start: the identity of the installation, a random UUID (RFC 9562 section 5.4), the same for all its replicas. It is
-- never changed.
CREATE TABLE installation (
    slot TEXT NOT NULL PRIMARY KEY CHECK (slot = 'installation'),
    id   TEXT NOT NULL
);
