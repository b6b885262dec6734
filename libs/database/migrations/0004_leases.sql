-- +goose Up
-- Who may do a piece of work that runs once across all replicas. token grows with every holder and never repeats, so a row is never
-- deleted. due_at is when work that repeats is next to run.
CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    owner      TEXT   NOT NULL,
    token      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL
);
