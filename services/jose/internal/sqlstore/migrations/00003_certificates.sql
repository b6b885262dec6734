-- The certificate chain of a version that signs, in PEM, the leaf first; empty for none.

-- +goose Up
ALTER TABLE jose_key_versions ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
