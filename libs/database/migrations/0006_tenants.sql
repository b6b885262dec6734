-- +goose Up
-- Ids are never given out again: a row stays, as 'deleted'. isolation never changes. delete_after is 0 unless the tenant is 'deleting';
-- purge_began_at is when the removal of its rows began, from when on it cannot be called back.
CREATE TABLE tenants (
    id             TEXT   NOT NULL PRIMARY KEY,
    name           TEXT   NOT NULL,
    status         TEXT   NOT NULL CHECK (status IN ('active', 'suspended', 'deleting', 'deleted')),
    isolation      TEXT   NOT NULL CHECK (isolation IN ('row', 'schema')),
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    delete_after   BIGINT NOT NULL,
    purge_began_at BIGINT NOT NULL,
    version        BIGINT NOT NULL
);
