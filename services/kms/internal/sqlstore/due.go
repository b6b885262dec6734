package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// What time has come for. Each answers id and version, and takes tenant, time and limit. What was used up is due at any time.
const (
	selectDueRotation = `
		SELECT id, 0 FROM elastic_keys
		WHERE tenant_id = $1 AND next_rotation_at > 0 AND next_rotation_at <= $2 AND status = 'active'
		ORDER BY next_rotation_at LIMIT $3`
	selectDueNotice = `
		SELECT id, 0 FROM elastic_keys
		WHERE tenant_id = $1 AND next_rotation_at > 0 AND notify_before > 0 AND next_rotation_at - notify_before <= $2 AND status = 'active'
			AND notified_at <> next_rotation_at
		ORDER BY next_rotation_at LIMIT $3`
	selectDueUsage = `
		SELECT e.id, e.primary_version
		FROM elastic_keys e
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id AND m.version = e.primary_version
		WHERE e.tenant_id = $1 AND CAST($2 AS BIGINT) > 0 AND e.status = 'active' AND (e.rotation_uses > 0 OR e.rotation_bytes > 0)
			AND ((e.rotation_uses > 0 AND m.use_count >= e.rotation_uses) OR (e.rotation_bytes > 0 AND m.byte_count >= e.rotation_bytes))
		ORDER BY e.id LIMIT $3`
	selectDueGeneration = `
		SELECT id, 0 FROM elastic_keys
		WHERE tenant_id = $1 AND status = 'pending_generate' AND updated_at <= $2
		ORDER BY updated_at LIMIT $3`
	selectDueDeletion = `
		SELECT id, 0 FROM elastic_keys
		WHERE tenant_id = $1 AND delete_at > 0 AND delete_at <= $2 AND status = 'pending_delete'
		ORDER BY delete_at LIMIT $3`
	selectDueDestruction = `
		SELECT elastic_key_id, version FROM material_keys
		WHERE tenant_id = $1 AND destroy_at > 0 AND destroy_at <= $2 AND status = 'destroy_scheduled'
		ORDER BY destroy_at LIMIT $3`
	selectDueExpiry = `
		SELECT elastic_key_id, version FROM material_keys
		WHERE tenant_id = $1 AND expires_at > 0 AND expires_at <= $2 AND status IN ('enabled', 'disabled')
		ORDER BY expires_at LIMIT $3`
)

// MarkNotified implements keyring.DueStore.
func (s *Store) MarkNotified(ctx context.Context, key keyring.ElasticKey) error {
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		var id string
		return s.db.QueryRow(ctx, `
			UPDATE elastic_keys SET notified_at = next_rotation_at
			WHERE tenant_id = $1 AND id = $2 AND next_rotation_at = $3 AND notified_at <> $3 AND status = 'active'
			RETURNING id`, key.Tenant, key.ID, database.Micros(key.NextRotationAt)).Scan(&id)
	})
	return stale("mark as notified", err)
}

// Due implements keyring.DueStore.
func (s *Store) Due(ctx context.Context, tenant string, what keyring.DueKind, now time.Time, limit int) ([]keyring.Due, error) {
	query, known := map[keyring.DueKind]string{
		keyring.DueRotation: selectDueRotation, keyring.DueNotice: selectDueNotice, keyring.DueUsage: selectDueUsage,
		keyring.DueDeletion: selectDueDeletion, keyring.DueDestruction: selectDueDestruction, keyring.DueExpiry: selectDueExpiry,
		keyring.DueGeneration: selectDueGeneration,
	}[what]
	if !known {
		return nil, fmt.Errorf("select what is due: there is no kind %q", what)
	}
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), query, tenant, database.Micros(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select due %s: %w", what, err)
	}
	return database.Collect(rows, func(r database.Scanner) (due keyring.Due, err error) {
		err = r.Scan(&due.ElasticKeyID, &due.Version)
		return due, err
	})
}
