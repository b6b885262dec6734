-- What somebody asks several others to agree to. Times are microseconds since 1970, UTC.

-- +goose Up
CREATE TABLE approval_requests (
    tenant_id        TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    operation        TEXT   NOT NULL,
    resource_kind    TEXT   NOT NULL,
    resource         TEXT   NOT NULL,
    parameters       TEXT   NOT NULL, -- JSON, as the service writes it
    fingerprint      TEXT   NOT NULL, -- of operation, resource and parameters
    reason           TEXT   NOT NULL,
    requester_kind   TEXT   NOT NULL,
    requester_id     TEXT   NOT NULL,
    requester_owner  TEXT   NOT NULL, -- the person for whom an API token asks, or empty
    state            TEXT   NOT NULL, -- what has expired is told by expires_at
    approvals        BIGINT NOT NULL,
    approvals_needed BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX approval_requests_by_requester ON approval_requests (tenant_id, requester_kind, requester_id, id);
CREATE INDEX approval_requests_by_expiry ON approval_requests (expires_at);

CREATE TABLE approval_votes (
    tenant_id   TEXT   NOT NULL,
    request_id  TEXT   NOT NULL,
    approver_id TEXT   NOT NULL,
    vote        TEXT   NOT NULL, -- empty, approve or reject
    voted_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, request_id, approver_id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX approval_votes_by_approver ON approval_votes (tenant_id, approver_id, request_id);
