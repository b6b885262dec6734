package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ChangeAttestation is the kind under which a new key that signs statements stands in the change sequence.
const ChangeAttestation = "kms/attestation-key"

// AttestationKeys implements keyring.AttestationStore.
func (s *Store) AttestationKeys(ctx context.Context, tenant string, limit int) ([]keyring.AttestationKey, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT tenant_id, version, id, wrapped_key, created_at FROM attestation_keys
		WHERE tenant_id = $1
		ORDER BY version DESC
		LIMIT $2`, tenant, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select attestation keys: %w", err)
	}
	return database.Collect(rows, scanAttestation)
}

// InsertAttestationKey implements keyring.AttestationStore.
func (s *Store) InsertAttestationKey(ctx context.Context, key keyring.AttestationKey) error {
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO attestation_keys (tenant_id, version, id, wrapped_key, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, version) DO NOTHING`, key.Tenant, key.Version, key.ID, key.WrappedKey, database.Micros(key.CreatedAt))
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, key.Tenant, ChangeAttestation, "")
	})
	if err != nil {
		return fmt.Errorf("insert attestation key: %w", err)
	}
	return nil
}

func scanAttestation(r database.Scanner) (key keyring.AttestationKey, err error) {
	var created int64
	if err := r.Scan(&key.Tenant, &key.Version, &key.ID, &key.WrappedKey, &created); err != nil {
		return keyring.AttestationKey{}, fmt.Errorf("read attestation key: %w", err)
	}
	key.CreatedAt = database.Time(created)
	return key, nil
}

// AttestationValues are the keys that sign statements, which are wrapped anew when the barrier's keys change.
type AttestationValues struct {
	store   *Store
	tenants tenants
}

var _ rewrap.Source = (*AttestationValues)(nil)

// NewAttestationValues returns the store's keys that sign statements.
func NewAttestationValues(store *Store, list func(ctx context.Context, after string, limit int) ([]string, error)) *AttestationValues {
	return &AttestationValues{store: store, tenants: list}
}

// Name implements rewrap.Source.
func (*AttestationValues) Name() string { return "kms/attestation-keys" }

// Next implements rewrap.Source. A position is tenant and version.
func (v *AttestationValues) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	first, rest, _ := strings.Cut(after, "/")
	version, err := strconv.ParseInt("0"+rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no position of an attestation key", after)
	}
	return v.tenants.from(ctx, first, func(tenant string) ([]rewrap.Item, error) {
		if tenant != first {
			version = 0
		}
		rows, err := v.store.db.Query(database.WithTenant(ctx, tenant), `
			SELECT tenant_id, version, id, wrapped_key, created_at FROM attestation_keys
			WHERE tenant_id = $1 AND version > $2
			ORDER BY version
			LIMIT $3`, tenant, version, int64(limit))
		if err != nil {
			return nil, fmt.Errorf("list attestation keys: %w", err)
		}
		return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
			key, err := scanAttestation(r)
			return rewrap.Item{Position: key.Tenant + "/" + strconv.FormatInt(key.Version, 10), Binding: key.Binding(), JWE: key.WrappedKey}, err
		})
	})
}

// Replace implements rewrap.Source.
func (v *AttestationValues) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	result, err := v.store.db.Exec(database.WithTenant(ctx, item.Binding.Tenant), `
		UPDATE attestation_keys SET wrapped_key = $4 WHERE tenant_id = $1 AND version = $2 AND wrapped_key = $3`,
		item.Binding.Tenant, item.Binding.Version, item.JWE, jwe)
	if err != nil {
		return false, fmt.Errorf("replace attestation key: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
