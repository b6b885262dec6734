-- Certificates that were issued, or were about to be, the names in them, and requests that wait for approval. Times are microseconds since 1970, UTC,
-- and 0 is no time.

-- +goose Up
CREATE TABLE ca_certificates (
    tenant_id   TEXT   NOT NULL,
    serial      TEXT   NOT NULL, -- lower-case hexadecimal of even length
    ca_id       TEXT   NOT NULL,
    profile     TEXT   NOT NULL,
    state       TEXT   NOT NULL, -- intended, issued, revoked
    subject     TEXT   NOT NULL, -- RFC 4514
    common_name TEXT   NOT NULL, -- lower case
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    spki_sha256 BYTEA  NOT NULL,
    der         BYTEA  NOT NULL, -- TBSCertificate while intended, Certificate afterwards
    shard       BIGINT NOT NULL,
    requester   TEXT   NOT NULL,
    channel     TEXT   NOT NULL, -- rest, renewal, acme, ca, service
    lineage     TEXT   NOT NULL, -- the serial of the first of those that replace each other
    replaces    TEXT   NOT NULL, -- a serial; empty for none
    revoked_at  BIGINT NOT NULL,
    reason      BIGINT NOT NULL, -- CRLReason (RFC 5280 section 5.3.1)
    noticed     BIGINT NOT NULL, -- days before expiry for which a notice has gone out; 0 for none
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, serial)
);
CREATE INDEX ca_certificates_by_time ON ca_certificates (tenant_id, created_at, serial);
CREATE INDEX ca_certificates_by_expiry ON ca_certificates (tenant_id, not_after, serial);
CREATE INDEX ca_certificates_by_key ON ca_certificates (tenant_id, spki_sha256, serial);
CREATE INDEX ca_certificates_by_lineage ON ca_certificates (tenant_id, lineage, serial);
CREATE INDEX ca_certificates_by_ca ON ca_certificates (tenant_id, ca_id, not_after);
CREATE INDEX ca_certificates_intended ON ca_certificates (tenant_id, created_at) WHERE state = 'intended';

CREATE TABLE ca_certificate_names (
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL, -- dns, ip, email, uri, upn
    name      TEXT NOT NULL, -- lower case; labels of a DNS name from last to first, so that a domain is a prefix
    serial    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, name, serial),
    FOREIGN KEY (tenant_id, serial) REFERENCES ca_certificates (tenant_id, serial)
);
CREATE INDEX ca_certificate_names_by_serial ON ca_certificate_names (tenant_id, serial);

CREATE TABLE ca_requests (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    ca_id      TEXT   NOT NULL,
    profile    TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- pending, approved, issued, rejected, cancelled, expired
    requester  TEXT   NOT NULL,
    request    TEXT   NOT NULL, -- JSON
    digest     BYTEA  NOT NULL, -- SHA-256 of request, to which approvals are given
    needed     BIGINT NOT NULL,
    serial     TEXT   NOT NULL, -- of the certificate; empty until there is one
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ca_requests_pending ON ca_requests (tenant_id, expires_at) WHERE state = 'pending';

CREATE TABLE ca_request_votes (
    tenant_id  TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    approver   TEXT    NOT NULL,
    approved   BOOLEAN NOT NULL,
    comment    TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, request_id, approver),
    FOREIGN KEY (tenant_id, request_id) REFERENCES ca_requests (tenant_id, id)
);

CREATE TABLE ca_blocked_keys (
    tenant_id   TEXT   NOT NULL,
    spki_sha256 BYTEA  NOT NULL,
    reason      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, spki_sha256)
);
