-- +goose Up
-- What the session began with: a name of the secret, password or certificate, without which it does not go on. Empty where that is not known, as
-- of sessions from before.
ALTER TABLE sessions ADD COLUMN credential TEXT NOT NULL DEFAULT '';
