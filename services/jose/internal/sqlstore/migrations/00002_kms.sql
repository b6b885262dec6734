-- Keys whose private parts a federated KMS keeps: which elastic key it is, and which of its versions. Other keys have none.

-- +goose Up
ALTER TABLE jose_keys ADD COLUMN kms_key TEXT NOT NULL DEFAULT '';
ALTER TABLE jose_key_versions ADD COLUMN kms_version BIGINT NOT NULL DEFAULT 0;
-- A version of the KMS becomes one of ours at most once.
CREATE UNIQUE INDEX jose_key_versions_kms ON jose_key_versions (tenant_id, key_id, kms_version) WHERE kms_version > 0;
