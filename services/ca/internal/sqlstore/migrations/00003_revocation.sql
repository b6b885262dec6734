-- Revocations as lists of them are streamed, the lists in parts, the numbers of lists, and the keys of OCSP responders. Times are microseconds since
-- 1970, UTC, and 0 is no time.

-- +goose Up
CREATE TABLE ca_revocations (
    tenant_id  TEXT   NOT NULL,
    ca_id      TEXT   NOT NULL,
    shard      BIGINT NOT NULL,
    serial     BYTEA  NOT NULL,
    revoked_at BIGINT NOT NULL,
    reason     BIGINT NOT NULL, -- CRLReason (RFC 5280 section 5.3.1); 8 is for deltas alone: it is not revoked any more
    invalid_at BIGINT NOT NULL,
    not_after  BIGINT NOT NULL,
    revision   BIGINT NOT NULL, -- of the CA's revocations when the row was written
    PRIMARY KEY (tenant_id, ca_id, shard, serial)
);
CREATE INDEX ca_revocations_by_revision ON ca_revocations (tenant_id, ca_id, shard, revision);
CREATE INDEX ca_revocations_by_expiry ON ca_revocations (tenant_id, ca_id, shard, not_after);

-- One row for each CA, locked until a revocation is committed: revisions are committed in their order.
CREATE TABLE ca_crl_numbers (
    tenant_id TEXT   NOT NULL,
    ca_id     TEXT   NOT NULL,
    number    BIGINT NOT NULL, -- the last one that a list was given
    revision  BIGINT NOT NULL, -- of the CA's revocations
    PRIMARY KEY (tenant_id, ca_id)
);

CREATE TABLE ca_crls (
    tenant_id     TEXT    NOT NULL,
    ca_id         TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    shard         BIGINT  NOT NULL, -- -1 for a list of all shards
    delta         BOOLEAN NOT NULL,
    number        BIGINT  NOT NULL,
    base          BIGINT  NOT NULL, -- number of the list that a delta changes; 0 otherwise
    covers        BIGINT  NOT NULL, -- every revocation up to this revision is in it
    scoped        BOOLEAN NOT NULL, -- it has an issuing distribution point
    freshest      BOOLEAN NOT NULL, -- it says where its delta is
    this_update   BIGINT  NOT NULL,
    next_update   BIGINT  NOT NULL,
    entries       BIGINT  NOT NULL,
    size          BIGINT  NOT NULL, -- bytes
    parts         BIGINT  NOT NULL,
    digest        BYTEA   NOT NULL,
    superseded_at BIGINT  NOT NULL, -- 0 for the current one
    PRIMARY KEY (tenant_id, ca_id, id),
    UNIQUE (tenant_id, ca_id, number)
);
CREATE INDEX ca_crls_by_id ON ca_crls (tenant_id, id);
CREATE UNIQUE INDEX ca_crls_current ON ca_crls (tenant_id, ca_id, shard, delta) WHERE superseded_at = 0;

CREATE TABLE ca_crl_parts (
    tenant_id TEXT   NOT NULL,
    crl_id    TEXT   NOT NULL,
    part      BIGINT NOT NULL,
    body      BYTEA  NOT NULL, -- at most 256 KiB
    PRIMARY KEY (tenant_id, crl_id, part)
);

CREATE TABLE ca_responders (
    tenant_id   TEXT   NOT NULL,
    ca_id       TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    certificate BYTEA  NOT NULL, -- DER
    wrapped_key TEXT   NOT NULL,
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, ca_id, id)
);

-- Since when a revoked certificate's key is suspected to be compromised.
ALTER TABLE ca_certificates ADD COLUMN invalid_at BIGINT NOT NULL DEFAULT 0;
