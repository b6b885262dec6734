package sqlstore

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// PublishedVersions implements keyring.ReportStore. Ids are UUIDv7, which are in order of creation.
func (s *Store) PublishedVersions(ctx context.Context, tenant string, limit int) ([]keyring.KeyVersion, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+elasticColumns+`, `+materialColumns+`
		FROM elastic_keys e
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE e.tenant_id = $1 AND e.published AND e.status = 'active'
			AND m.status = 'enabled' AND m.version >= e.min_decrypt_version AND m.wrapped_key <> ''
		ORDER BY m.id DESC
		LIMIT $2`, tenant, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select published versions: %w", err)
	}
	return database.Collect(rows, s.scanKeyVersion)
}

func (s *Store) scanKeyVersion(r database.Scanner) (keyring.KeyVersion, error) {
	var elastic elasticTarget
	var material materialTarget
	if err := r.Scan(append(elastic.columns(), material.columns()...)...); err != nil {
		return keyring.KeyVersion{}, fmt.Errorf("read version with its key: %w", err)
	}
	key, version, err := s.ring(&elastic, &material)
	return keyring.KeyVersion{Key: key, Version: version}, err
}

// versionStates are those that AlgorithmUses counts, in the order of its columns.
var versionStates = [...]keyring.VersionStatus{
	keyring.VersionPendingImport, keyring.VersionEnabled, keyring.VersionDisabled, keyring.VersionCompromised, keyring.VersionDestroyScheduled,
	keyring.VersionDestroyed,
}

// AlgorithmUses implements keyring.ReportStore. Sums are NUMERIC to PostgreSQL unless they are cast.
func (s *Store) AlgorithmUses(ctx context.Context, tenant string, limit int) ([]keyring.AlgorithmUse, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT e.algorithm, e.key_size, e.curve, count(DISTINCT e.id),
			count(CASE WHEN m.status = 'pending_import' THEN 1 END),
			count(CASE WHEN m.status = 'enabled' THEN 1 END),
			count(CASE WHEN m.status = 'disabled' THEN 1 END),
			count(CASE WHEN m.status = 'compromised' THEN 1 END),
			count(CASE WHEN m.status = 'destroy_scheduled' THEN 1 END),
			count(CASE WHEN m.status = 'destroyed' THEN 1 END),
			count(CASE WHEN m.status = 'enabled' AND m.version <> e.primary_version AND m.version >= e.min_decrypt_version AND e.status = 'active' THEN 1 END),
			COALESCE(CAST(sum(m.use_count) AS BIGINT), 0), COALESCE(CAST(sum(m.byte_count) AS BIGINT), 0), COALESCE(max(m.last_used_at), 0)
		FROM elastic_keys e
		LEFT JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE e.tenant_id = $1 AND e.status <> 'deleted'
		GROUP BY e.algorithm, e.key_size, e.curve
		ORDER BY e.algorithm, e.key_size, e.curve
		LIMIT $2`, tenant, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select uses of algorithms: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (use keyring.AlgorithmUse, err error) {
		var size, last int64
		var counts [len(versionStates)]int64
		targets := []any{&use.Algorithm, &size, &use.Curve, &use.Keys}
		for i := range counts {
			targets = append(targets, &counts[i])
		}
		if err := r.Scan(append(targets, &use.StillReading, &use.Uses.Count, &use.Uses.Bytes, &last)...); err != nil {
			return keyring.AlgorithmUse{}, fmt.Errorf("read uses of an algorithm: %w", err)
		}
		use.KeySize, use.Uses.LastUsedAt = int(size), database.Time(last)
		use.Versions = make(map[keyring.VersionStatus]int64, len(counts))
		for i, state := range versionStates {
			use.Versions[state] = counts[i]
		}
		return use, nil
	})
}
