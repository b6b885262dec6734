package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// profileColumns are the columns of a profile, in the order of scanProfile. RETURNING knows them by the name of the table alone.
const (
	profileColumns  = `p.tenant_id, p.id, p.name, p.description, COALESCE(p.key_id, ''), p.policy, p.created_at, p.updated_at, p.revision`
	returnedProfile = `tenant_id, id, name, description, COALESCE(key_id, ''), policy, created_at, updated_at, revision`
)

// InsertProfile implements authority.ProfileStore.
func (s *Store) InsertProfile(ctx context.Context, p authority.Profile) error {
	policy, err := json.Marshal(p.TokenPolicy)
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	_, err = s.db.Exec(database.WithTenant(ctx, p.Tenant), `
		INSERT INTO jose_profiles (tenant_id, id, name, description, key_id, policy, created_at, updated_at, revision)
		VALUES ($1, $2, $3, $4, NULLIF($5, ''), $6, $7, $8, 1)`,
		p.Tenant, p.ID, p.Name, p.Description, p.KeyID, string(policy), database.Micros(p.CreatedAt), database.Micros(p.UpdatedAt))
	if database.IsUniqueViolation(err) {
		return authority.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert profile: %w", err)
	}
	return nil
}

// Profile implements authority.ProfileStore.
func (s *Store) Profile(ctx context.Context, tenant string, ref naming.Ref) (authority.Profile, error) {
	query, value := selectProfileByName, string(ref)
	if id, ok := ref.ID(); ok {
		query, value = selectProfileByID, id
	}
	profile, err := scanProfile(s.db.QueryRow(database.WithTenant(ctx, tenant), query, tenant, value))
	if err != nil {
		return authority.Profile{}, notFound(err)
	}
	return profile, nil
}

// ProfileFact implements authority.ProfileStore.
func (s *Store) ProfileFact(ctx context.Context, tenant string, ref naming.Ref) (authority.Profile, error) {
	return s.Profile(ctx, tenant, ref)
}

const (
	selectProfileByID   = `SELECT ` + profileColumns + ` FROM jose_profiles p WHERE p.tenant_id = $1 AND p.id = $2`
	selectProfileByName = `SELECT ` + profileColumns + ` FROM jose_profiles p WHERE p.tenant_id = $1 AND p.name = $2`
)

// Profiles implements authority.ProfileStore.
func (s *Store) Profiles(ctx context.Context, tenant, after string, limit int) ([]authority.Profile, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+profileColumns+` FROM jose_profiles p WHERE p.tenant_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3`, tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select profiles: %w", err)
	}
	return database.Collect(rows, scanProfile)
}

// UpdateProfile implements authority.ProfileStore.
func (s *Store) UpdateProfile(ctx context.Context, p authority.Profile) (changed authority.Profile, err error) {
	policy, err := json.Marshal(p.TokenPolicy)
	if err != nil {
		return authority.Profile{}, fmt.Errorf("encode policy: %w", err)
	}
	err = s.db.InTx(database.WithTenant(ctx, p.Tenant), func(ctx context.Context) error {
		changed, err = scanProfile(s.db.QueryRow(ctx, `
			UPDATE jose_profiles
			SET description = $4, key_id = NULLIF($5, ''), policy = $6, updated_at = $7, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND revision = $3
			RETURNING `+returnedProfile, p.Tenant, p.ID, p.Revision, p.Description, p.KeyID, string(policy), database.Micros(p.UpdatedAt)))
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, p.Tenant, changeProfile, "")
	})
	return changed, stale("update profile", err)
}

// DeleteProfile implements authority.ProfileStore.
func (s *Store) DeleteProfile(ctx context.Context, p authority.Profile) error {
	err := s.db.InTx(database.WithTenant(ctx, p.Tenant), func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, `DELETE FROM jose_revocations WHERE tenant_id = $1 AND profile_id = $2`, p.Tenant, p.ID); err != nil {
			return err
		}
		var id string
		err := s.db.QueryRow(ctx, `
			DELETE FROM jose_profiles WHERE tenant_id = $1 AND id = $2 AND revision = $3 RETURNING id`, p.Tenant, p.ID, p.Revision).Scan(&id)
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, p.Tenant, changeProfile, "")
	})
	return stale("delete profile", err)
}

func scanProfile(r database.Scanner) (authority.Profile, error) {
	var p authority.Profile
	var policy string
	var created, updated int64
	if err := r.Scan(&p.Tenant, &p.ID, &p.Name, &p.Description, &p.KeyID, &policy, &created, &updated, &p.Revision); err != nil {
		return authority.Profile{}, fmt.Errorf("read profile: %w", err)
	}
	if err := json.Unmarshal([]byte(policy), &p.TokenPolicy); err != nil {
		return authority.Profile{}, fmt.Errorf("read policy of profile %s: %w", p.ID, err)
	}
	p.CreatedAt, p.UpdatedAt = database.Time(created), database.Time(updated)
	return p, nil
}

// Revoke implements authority.RevocationStore.
func (s *Store) Revoke(ctx context.Context, r authority.Revocation) error {
	_, err := s.db.Exec(database.WithTenant(ctx, r.Tenant), `
		INSERT INTO jose_revocations (tenant_id, profile_id, token_id, expires_at, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, profile_id, token_id) DO UPDATE
		SET expires_at = CASE WHEN jose_revocations.expires_at < excluded.expires_at THEN excluded.expires_at ELSE jose_revocations.expires_at END`,
		r.Tenant, r.ProfileID, r.TokenID, database.Micros(r.ExpiresAt), database.Micros(r.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert revocation: %w", err)
	}
	return nil
}

// Revoked implements authority.RevocationStore.
func (s *Store) Revoked(ctx context.Context, tenant, profileID, tokenID string) (bool, error) {
	var n int64
	err := s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT COUNT(*) FROM jose_revocations WHERE tenant_id = $1 AND profile_id = $2 AND token_id = $3`, tenant, profileID, tokenID).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up revocation: %w", err)
	}
	return n > 0, nil
}

// ForgetRevocations implements authority.RevocationStore.
func (s *Store) ForgetRevocations(ctx context.Context, tenant string, before time.Time) error {
	_, err := s.db.Exec(database.WithTenant(ctx, tenant), `
		DELETE FROM jose_revocations WHERE tenant_id = $1 AND expires_at < $2`, tenant, database.Micros(before))
	if err != nil {
		return fmt.Errorf("forget revocations: %w", err)
	}
	return nil
}
