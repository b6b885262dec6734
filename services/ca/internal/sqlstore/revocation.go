package sqlstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

var _ revocation.Store = (*Store)(nil)

// Kinds of changes in the change sequence that tell of revocations.
const (
	ChangeStatus    = "ca/status"    // of a certificate that somebody may know, by serial number
	ChangeResponder = "ca/responder" // of the OCSP responder of a CA
	ChangeAuthority = changeCA
	changeList      = "ca/list" // of the current lists of a CA
)

// Status implements revocation.CertificateStore.
func (s *Store) Status(ctx context.Context, tenant, serial string) (c revocation.Certificate, err error) {
	var state, channel string
	var shard, notAfter, revokedAt, why, invalidAt int64
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT c.tenant_id, c.serial, c.ca_id, c.state, c.channel, c.shard, c.spki_sha256, c.not_after, c.revoked_at, c.reason, c.invalid_at
		FROM ca_certificates c
		WHERE c.tenant_id = $1 AND c.serial = $2`, tenant, serial,
	).Scan(&c.Tenant, &c.Serial, &c.CAID, &state, &channel, &shard, &c.SPKISHA256, &notAfter, &revokedAt, &why, &invalidAt)
	if err != nil {
		return revocation.Certificate{}, missing(revocation.ErrNotFound, err)
	}
	c.State, c.Authority, c.Shard, c.Reason = revocation.State(state), channel == string(issuance.ByCA), int(shard), reason.Reason(why)
	c.NotAfter, c.RevokedAt, c.InvalidAt = database.Time(notAfter), database.Time(revokedAt), database.Time(invalidAt)
	return c, nil
}

// Revoke implements revocation.CertificateStore.
func (s *Store) Revoke(ctx context.Context, before, c revocation.Certificate) error {
	return s.db.InTx(database.WithTenant(ctx, c.Tenant), func(ctx context.Context) error {
		err := s.moveStatus(ctx, before, c, c.RevokedAt)
		if err != nil {
			return err
		}
		return s.list(ctx, c, c.Reason)
	})
}

// Release implements revocation.CertificateStore.
func (s *Store) Release(ctx context.Context, c revocation.Certificate, at time.Time) error {
	return s.db.InTx(database.WithTenant(ctx, c.Tenant), func(ctx context.Context) error {
		after := revocation.Certificate{Tenant: c.Tenant, Serial: c.Serial, State: revocation.Issued}
		if err := s.moveStatus(ctx, c, after, at); err != nil {
			return err
		}
		c.RevokedAt = at
		return s.list(ctx, c, reason.RemoveFromCRL)
	})
}

// moveStatus writes a certificate's state if it is as before has it.
func (s *Store) moveStatus(ctx context.Context, before, after revocation.Certificate, at time.Time) error {
	result, err := s.db.Exec(ctx, `
		UPDATE ca_certificates SET state = $5, revoked_at = $6, reason = $7, invalid_at = $8, updated_at = $9
		WHERE tenant_id = $1 AND serial = $2 AND state = $3 AND reason = $4`,
		after.Tenant, after.Serial, string(before.State), int64(before.Reason), string(after.State), database.Micros(after.RevokedAt), int64(after.Reason),
		database.Micros(after.InvalidAt), database.Micros(at))
	if err != nil {
		return fmt.Errorf("update status: %w", err)
	}
	changed, err := result.RowsAffected()
	if err == nil && changed != 1 {
		err = revocation.ErrStale
	}
	return err
}

// list writes the row for the lists under the CA's next revision, and tells every replica. The lock that the number's row takes ends with the
// transaction.
func (s *Store) list(ctx context.Context, c revocation.Certificate, why reason.Reason) error {
	serial, err := hex.DecodeString(c.Serial)
	if err != nil {
		return fmt.Errorf("read serial number: %w", err)
	}
	var revision int64
	err = s.db.QueryRow(ctx, `
		INSERT INTO ca_crl_numbers (tenant_id, ca_id, number, revision) VALUES ($1, $2, 0, 1)
		ON CONFLICT (tenant_id, ca_id) DO UPDATE SET revision = ca_crl_numbers.revision + 1
		RETURNING revision`, c.Tenant, c.CAID).Scan(&revision)
	if err != nil {
		return fmt.Errorf("take a revision: %w", err)
	}
	_, err = s.db.Exec(ctx, `
		INSERT INTO ca_revocations (tenant_id, ca_id, shard, serial, revoked_at, reason, invalid_at, not_after, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tenant_id, ca_id, shard, serial) DO UPDATE
		SET revoked_at = excluded.revoked_at, reason = excluded.reason, invalid_at = excluded.invalid_at, revision = excluded.revision`,
		c.Tenant, c.CAID, int64(c.Shard), serial, database.Micros(c.RevokedAt), int64(why), database.Micros(c.InvalidAt), database.Micros(c.NotAfter), revision)
	if err != nil {
		return fmt.Errorf("insert revocation: %w", err)
	}
	return changes.Note(ctx, s.db, c.Tenant, ChangeStatus, c.Serial)
}

// Selected implements revocation.CertificateStore.
func (s *Store) Selected(ctx context.Context, tenant string, of revocation.Selection, after string, limit int) ([]string, error) {
	if of.Lineage != "" {
		return s.serials(ctx, tenant, `
			SELECT serial FROM ca_certificates
			WHERE tenant_id = $1 AND lineage = $2 AND serial > $3 AND state <> 'revoked'
			ORDER BY serial LIMIT $4`, tenant, of.Lineage, after, int64(limit))
	}
	return s.serials(ctx, tenant, `
		SELECT serial FROM ca_certificates
		WHERE tenant_id = $1 AND spki_sha256 = $2 AND serial > $3 AND state <> 'revoked'
		ORDER BY serial LIMIT $4`, tenant, of.SPKISHA256, after, int64(limit))
}

// Abandoned implements revocation.CertificateStore.
func (s *Store) Abandoned(ctx context.Context, tenant string, before time.Time, limit int) ([]string, error) {
	return s.serials(ctx, tenant, `
		SELECT serial FROM ca_certificates
		WHERE tenant_id = $1 AND state = 'intended' AND created_at < $2
		ORDER BY created_at LIMIT $3`, tenant, database.Micros(before), int64(limit))
}

func (s *Store) serials(ctx context.Context, tenant, query string, args ...any) ([]string, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), query, args...)
	if err != nil {
		return nil, fmt.Errorf("select serial numbers: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (serial string, err error) {
		err = r.Scan(&serial)
		return serial, err
	})
}

// BlockKey implements revocation.CertificateStore.
func (s *Store) BlockKey(ctx context.Context, tenant string, spkiSHA256 []byte, why string, at time.Time) error {
	_, err := s.db.Exec(database.WithTenant(ctx, tenant), `
		INSERT INTO ca_blocked_keys (tenant_id, spki_sha256, reason, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		tenant, spkiSHA256, why, database.Micros(at))
	if err != nil {
		return fmt.Errorf("block key: %w", err)
	}
	return nil
}

// Revision implements revocation.ListStore.
func (s *Store) Revision(ctx context.Context, tenant, ca string) (revision int64, err error) {
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT revision FROM ca_crl_numbers WHERE tenant_id = $1 AND ca_id = $2`, tenant, ca).Scan(&revision)
	if err = missing(revocation.ErrNotFound, err); errors.Is(err, revocation.ErrNotFound) {
		return 0, nil
	}
	return revision, err
}

// NextNumber implements revocation.ListStore.
func (s *Store) NextNumber(ctx context.Context, tenant, ca string) (number int64, err error) {
	ctx, err = s.db.Independent(ctx)
	if err != nil {
		return 0, err
	}
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		return s.db.QueryRow(ctx, `
			INSERT INTO ca_crl_numbers (tenant_id, ca_id, number, revision) VALUES ($1, $2, 1, 0)
			ON CONFLICT (tenant_id, ca_id) DO UPDATE SET number = ca_crl_numbers.number + 1
			RETURNING number`, tenant, ca).Scan(&number)
	})
	return number, err
}

// Pending implements revocation.ListStore.
func (s *Store) Pending(ctx context.Context, tenant, ca string, shard int, after int64, limit int) (n int, err error) {
	query, args := `
		SELECT COUNT(*) FROM (SELECT 1 FROM ca_revocations
			WHERE tenant_id = $1 AND ca_id = $2 AND shard = $3 AND revision > $4 LIMIT $5) AS pending`,
		[]any{tenant, ca, int64(shard), after, int64(limit)}
	if shard == revocation.Complete {
		query, args = `
			SELECT COUNT(*) FROM (SELECT 1 FROM ca_revocations
				WHERE tenant_id = $1 AND ca_id = $2 AND shard >= 0 AND revision > $3 LIMIT $4) AS pending`,
			[]any{tenant, ca, after, int64(limit)}
	}
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), query, args...).Scan(&n)
	return n, err
}

// Revocations implements revocation.ListStore.
func (s *Store) Revocations(ctx context.Context, tenant, ca string, shard int, revision int64, after []byte, limit int) ([]crl.Entry, error) {
	if after == nil {
		after = []byte{}
	}
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT serial, revoked_at, reason, invalid_at FROM ca_revocations
		WHERE tenant_id = $1 AND ca_id = $2 AND shard = $3 AND serial > $4 AND revision > $5
		ORDER BY serial LIMIT $6`, tenant, ca, int64(shard), after, revision, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select revocations: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (e crl.Entry, err error) {
		var revokedAt, why, invalidAt int64
		if err := r.Scan(&e.Serial, &revokedAt, &why, &invalidAt); err != nil {
			return e, fmt.Errorf("read revocation: %w", err)
		}
		e.RevokedAt, e.Reason, e.InvalidAt = database.Time(revokedAt), reason.Reason(why), database.Time(invalidAt)
		return e, nil
	})
}

// pruneBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
const pruneBatch = 500

// Prune implements revocation.ListStore.
func (s *Store) Prune(ctx context.Context, tenant, ca string, shard int, revision int64, before time.Time) error {
	from, to := int64(shard), int64(shard)
	if shard == revocation.Complete {
		from, to = 0, 1<<31
	}
	for {
		result, err := s.db.Exec(database.WithTenant(ctx, tenant), `
			DELETE FROM ca_revocations WHERE tenant_id = $1 AND ca_id = $2 AND shard >= $3 AND shard <= $4 AND serial IN (
				SELECT serial FROM ca_revocations
				WHERE tenant_id = $1 AND ca_id = $2 AND shard >= $3 AND shard <= $4 AND not_after < $5 AND revision <= $6 LIMIT $7)`,
			tenant, ca, from, to, database.Micros(before), revision, int64(pruneBatch))
		if err != nil {
			return fmt.Errorf("delete revocations: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n < pruneBatch {
			return err
		}
	}
}
