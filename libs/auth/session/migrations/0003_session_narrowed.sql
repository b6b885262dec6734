-- +goose Up
-- A session that was begun with some of its owner's scopes only.
ALTER TABLE sessions ADD COLUMN narrowed BOOLEAN NOT NULL DEFAULT FALSE;
