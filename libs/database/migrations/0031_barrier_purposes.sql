-- +goose Up
-- What the barrier has wrapped values for, ever: content keys are removed only when a re-wrapping has met the values of each. run is the
-- last re-wrapping that has.
CREATE TABLE barrier_purposes (
    purpose TEXT   NOT NULL PRIMARY KEY,
    run     TEXT   NOT NULL,
    seen_at BIGINT NOT NULL
);
