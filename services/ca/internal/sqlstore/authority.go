package sqlstore

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// caColumns are the columns of a CA, in the order of caTarget.columns.
const caColumns = `tenant_id, id, name, description, kind, family, status, custody, algorithm, key_size, subject, spki, key_id, parent_id, profiles, base_url,
	shards, lab, successor_id, succeeded_at, wrapped_key, created_at, updated_at, revision`

// InsertCA implements hierarchy.Store.
func (s *Store) InsertCA(ctx context.Context, ca hierarchy.CA) error {
	profiles, err := json.Marshal(ca.Profiles)
	if err != nil {
		return fmt.Errorf("encode profiles: %w", err)
	}
	err = s.db.InTx(database.WithTenant(ctx, ca.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO ca_authorities (`+caColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 1)`,
			ca.Tenant, ca.ID, ca.Name, ca.Description, string(ca.Kind), string(ca.Family), string(ca.Status), string(ca.Custody), ca.Algorithm, int64(ca.KeySize),
			ca.Subject, ca.SPKI, ca.KeyID, ca.ParentID, string(profiles), ca.BaseURL, int64(ca.Shards), ca.Lab, ca.SuccessorID,
			database.Micros(ca.SucceededAt), ca.WrappedKey, database.Micros(ca.CreatedAt), database.Micros(ca.UpdatedAt))
		if err != nil {
			return err
		}
		if err := changes.Note(ctx, s.db, ca.Tenant, changeAll, theAll); err != nil {
			return err
		}
		return changes.Note(ctx, s.db, ca.Tenant, changeName, ca.Name)
	})
	if database.IsUniqueViolation(err) {
		return hierarchy.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert CA: %w", err)
	}
	return nil
}

// CA implements hierarchy.Store.
func (s *Store) CA(ctx context.Context, tenant string, ref naming.Ref) (hierarchy.CA, error) {
	id, isID := ref.ID()
	ctx = database.WithTenant(ctx, tenant)
	row := s.db.QueryRow(ctx, `SELECT `+caColumns+` FROM ca_authorities WHERE tenant_id = $1 AND name = $2`, tenant, string(ref))
	if isID {
		row = s.db.QueryRow(ctx, `SELECT `+caColumns+` FROM ca_authorities WHERE tenant_id = $1 AND id = $2`, tenant, id)
	}
	ca, err := scanCA(row)
	return ca, missing(hierarchy.ErrNotFound, err)
}

// ByKeyID implements hierarchy.Store.
func (s *Store) ByKeyID(ctx context.Context, tenant string, keyID []byte) (hierarchy.CA, error) {
	ca, err := scanCA(s.db.QueryRow(database.WithTenant(ctx, tenant), `SELECT `+caColumns+` FROM ca_authorities WHERE tenant_id = $1 AND key_id = $2`, tenant, keyID))
	return ca, missing(hierarchy.ErrNotFound, err)
}

// Fact implements hierarchy.Store.
func (s *Store) Fact(ctx context.Context, tenant string, ref naming.Ref) (hierarchy.Fact, error) {
	ca, err := s.CA(ctx, tenant, ref)
	if err != nil {
		return hierarchy.Fact{}, err
	}
	certificates, err := s.CertificatesOf(ctx, tenant, ca.ID)
	return hierarchy.Fact{CA: ca, Certificates: certificates}, err
}

// CAs implements hierarchy.Store.
func (s *Store) CAs(ctx context.Context, tenant string, list hierarchy.List) ([]hierarchy.CA, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+caColumns+`
		FROM ca_authorities
		WHERE tenant_id = $1 AND id > $2 AND ($3 = '' OR name = $3) AND ($4 = '' OR kind = $4) AND ($5 = '' OR status = $5) AND ($6 = '' OR parent_id = $6)
		ORDER BY id
		LIMIT $7`, tenant, list.After, list.Name, string(list.Kind), string(list.Status), list.Parent, int64(list.Limit))
	if err != nil {
		return nil, fmt.Errorf("select CAs: %w", err)
	}
	return database.Collect(rows, scanCA)
}

// maxIssuing bounds how many CAs of a tenant are looked through for the one that issues by a profile.
const maxIssuing = 1000

// Issuing implements hierarchy.Store.
func (s *Store) Issuing(ctx context.Context, tenant string) ([]hierarchy.CA, error) {
	return s.CAs(ctx, tenant, hierarchy.List{Kind: hierarchy.Issuing, Status: hierarchy.Active, Limit: maxIssuing})
}

// UpdateCA implements hierarchy.Store.
func (s *Store) UpdateCA(ctx context.Context, ca hierarchy.CA) (changed hierarchy.CA, err error) {
	profiles, err := json.Marshal(ca.Profiles)
	if err != nil {
		return hierarchy.CA{}, fmt.Errorf("encode profiles: %w", err)
	}
	err = s.db.InTx(database.WithTenant(ctx, ca.Tenant), func(ctx context.Context) error {
		changed, err = scanCA(s.db.QueryRow(ctx, `
			UPDATE ca_authorities
			SET description = $4, profiles = $5, base_url = $6, successor_id = $7, succeeded_at = $8, updated_at = $9, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND status <> 'destroyed'
			RETURNING `+caColumns,
			ca.Tenant, ca.ID, ca.Revision, ca.Description, string(profiles), ca.BaseURL, ca.SuccessorID, database.Micros(ca.SucceededAt), database.Micros(ca.UpdatedAt)))
		if err != nil {
			return missing(hierarchy.ErrStale, err)
		}
		return s.noteCA(ctx, ca.Tenant, ca.ID)
	})
	return changed, err
}

// maxFrom is how many states a transition may begin in, for a statement's constant text.
const maxFrom = 2

// MoveCA implements hierarchy.Store.
func (s *Store) MoveCA(ctx context.Context, ca hierarchy.CA, t hierarchy.Transition, now time.Time) (moved hierarchy.CA, err error) {
	var from [maxFrom]string
	if copy(from[:], names(t.From)) < len(t.From) {
		return hierarchy.CA{}, fmt.Errorf("%s: a transition begins in more states than the statement has room for", t.Action)
	}
	err = s.db.InTx(database.WithTenant(ctx, ca.Tenant), func(ctx context.Context) error {
		moved, err = scanCA(s.db.QueryRow(ctx, `
			UPDATE ca_authorities
			SET status = $3, parent_id = $4, updated_at = $5, revision = revision + 1,
				name = CASE WHEN $3 = 'destroyed' THEN id ELSE name END, wrapped_key = CASE WHEN $3 = 'destroyed' THEN '' ELSE wrapped_key END
			WHERE tenant_id = $1 AND id = $2 AND status IN ($6, $7)
			RETURNING `+caColumns, ca.Tenant, ca.ID, string(t.To), ca.ParentID, database.Micros(now), from[0], from[1]))
		if err != nil {
			return missing(hierarchy.ErrStale, err)
		}
		if t.To == hierarchy.Destroyed {
			if err := changes.Note(ctx, s.db, ca.Tenant, changeName, ca.Name); err != nil {
				return err
			}
		}
		return s.noteCA(ctx, ca.Tenant, ca.ID)
	})
	return moved, err
}

// names are states as the statement takes them.
func names[S ~string](states []S) []string {
	all := make([]string, len(states))
	for i, state := range states {
		all[i] = string(state)
	}
	return all
}

// AddCertificate implements hierarchy.Store.
func (s *Store) AddCertificate(ctx context.Context, c hierarchy.Certificate) error {
	err := s.db.InTx(database.WithTenant(ctx, c.Tenant), func(ctx context.Context) error {
		if c.Primary {
			if _, err := s.db.Exec(ctx, `UPDATE ca_authority_certificates SET is_primary = FALSE WHERE tenant_id = $1 AND ca_id = $2`, c.Tenant, c.CAID); err != nil {
				return err
			}
		}
		_, err := s.db.Exec(ctx, `
			INSERT INTO ca_authority_certificates (tenant_id, ca_id, issuer_key_id, serial, issuer_id, is_primary, der, above, not_before, not_after, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			c.Tenant, c.CAID, filled(c.IssuerKeyID), c.Serial, c.IssuerID, c.Primary, c.DER, filled(bytes.Join(c.Above, nil)), database.Micros(c.NotBefore),
			database.Micros(c.NotAfter), database.Micros(c.CreatedAt))
		if err != nil {
			return err
		}
		return s.noteCA(ctx, c.Tenant, c.CAID)
	})
	if database.IsUniqueViolation(err) {
		return hierarchy.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert certificate of CA: %w", err)
	}
	return nil
}

// filled is never nil, which would be NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// CertificatesOf implements hierarchy.Store.
func (s *Store) CertificatesOf(ctx context.Context, tenant, id string) ([]hierarchy.Certificate, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT tenant_id, ca_id, issuer_key_id, serial, issuer_id, is_primary, der, above, not_before, not_after, created_at
		FROM ca_authority_certificates
		WHERE tenant_id = $1 AND ca_id = $2
		ORDER BY is_primary DESC, created_at DESC, serial`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("select certificates of CA: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (c hierarchy.Certificate, err error) {
		var above []byte
		var notBefore, notAfter, created int64
		if err := r.Scan(&c.Tenant, &c.CAID, &c.IssuerKeyID, &c.Serial, &c.IssuerID, &c.Primary, &c.DER, &above, &notBefore, &notAfter, &created); err != nil {
			return c, fmt.Errorf("read certificate of CA: %w", err)
		}
		c.NotBefore, c.NotAfter, c.CreatedAt = database.Time(notBefore), database.Time(notAfter), database.Time(created)
		certificates, err := x509.ParseCertificates(above)
		for _, certificate := range certificates {
			c.Above = append(c.Above, certificate.Raw)
		}
		return c, err
	})
}

// Unexpired implements hierarchy.Store.
func (s *Store) Unexpired(ctx context.Context, tenant, id string, now time.Time) (bool, error) {
	var count int64
	err := s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT COUNT(*) FROM (SELECT 1 AS one FROM ca_certificates WHERE tenant_id = $1 AND ca_id = $2 AND not_after > $3 LIMIT 1) AS valid`,
		tenant, id, database.Micros(now)).Scan(&count)
	if err != nil {
		return false, fmt.Errorf("look for valid certificates: %w", err)
	}
	return count > 0, nil
}

// scanCA reads a row of caColumns.
func scanCA(r database.Scanner) (ca hierarchy.CA, err error) {
	var kind, family, status, custody, profiles string
	var size, shards, succeeded, created, updated int64
	err = r.Scan(&ca.Tenant, &ca.ID, &ca.Name, &ca.Description, &kind, &family, &status, &custody, &ca.Algorithm, &size, &ca.Subject, &ca.SPKI, &ca.KeyID,
		&ca.ParentID, &profiles, &ca.BaseURL, &shards, &ca.Lab, &ca.SuccessorID, &succeeded, &ca.WrappedKey, &created, &updated, &ca.Revision)
	if err != nil {
		return hierarchy.CA{}, fmt.Errorf("read CA: %w", err)
	}
	ca.Kind, ca.Family, ca.Status, ca.Custody = hierarchy.Kind(kind), hierarchy.Family(family), hierarchy.Status(status), hierarchy.Custody(custody)
	ca.KeySize, ca.Shards = int(size), int(shards)
	ca.SucceededAt, ca.CreatedAt, ca.UpdatedAt = database.Time(succeeded), database.Time(created), database.Time(updated)
	if err := json.Unmarshal([]byte(profiles), &ca.Profiles); err != nil {
		return hierarchy.CA{}, fmt.Errorf("read the profiles of CA %s: %w", ca.ID, err)
	}
	return ca, nil
}
