package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// listColumns are the columns of a list, in the order of scanList.
const listColumns = `l.tenant_id, l.ca_id, l.id, l.shard, l.delta, l.number, l.base, l.covers, l.scoped, l.freshest, l.this_update, l.next_update, l.entries,
	l.size, l.parts, l.digest, l.superseded_at`

func scanList(r database.Scanner) (l revocation.List, err error) {
	var shard, parts, this, next, superseded int64
	err = r.Scan(&l.Tenant, &l.CAID, &l.ID, &shard, &l.Delta, &l.Number, &l.Base, &l.Covers, &l.Scoped, &l.Freshest, &this, &next, &l.Entries,
		&l.Size, &parts, &l.Digest, &superseded)
	if err != nil {
		return revocation.List{}, fmt.Errorf("read list: %w", err)
	}
	l.Shard, l.Parts = int(shard), int(parts)
	l.ThisUpdate, l.NextUpdate, l.SupersededAt = database.Time(this), database.Time(next), database.Time(superseded)
	return l, nil
}

// AddParts implements revocation.ListStore.
func (s *Store) AddParts(ctx context.Context, tenant, list string, first int, bodies [][]byte) error {
	return s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		for i, body := range bodies {
			_, err := s.db.Exec(ctx, `
				INSERT INTO ca_crl_parts (tenant_id, crl_id, part, body) VALUES ($1, $2, $3, $4)`, tenant, list, int64(first+i), body)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Part implements revocation.ListStore.
func (s *Store) Part(ctx context.Context, tenant, list string, part int) (body []byte, err error) {
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT body FROM ca_crl_parts WHERE tenant_id = $1 AND crl_id = $2 AND part = $3`, tenant, list, int64(part)).Scan(&body)
	return body, missing(revocation.ErrNotFound, err)
}

// DropParts implements revocation.ListStore.
func (s *Store) DropParts(ctx context.Context, tenant, list string) error {
	_, err := s.db.Exec(database.WithTenant(ctx, tenant), `DELETE FROM ca_crl_parts WHERE tenant_id = $1 AND crl_id = $2`, tenant, list)
	return err
}

// DropOrphans implements revocation.ListStore. An id begins with the time at which it was made (RFC 9562 section 5.7).
func (s *Store) DropOrphans(ctx context.Context, tenant string, before time.Time) error {
	ms := before.UnixMilli()
	first := fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
	_, err := s.db.Exec(database.WithTenant(ctx, tenant), `
		DELETE FROM ca_crl_parts WHERE tenant_id = $1 AND crl_id < $2 AND NOT EXISTS (
			SELECT 1 FROM ca_crls l WHERE l.tenant_id = $1 AND l.id = ca_crl_parts.crl_id)`, tenant, first)
	return err
}

// Publish implements revocation.ListStore.
func (s *Store) Publish(ctx context.Context, l revocation.List, before string) error {
	err := s.db.InTx(database.WithTenant(ctx, l.Tenant), func(ctx context.Context) error {
		if before != "" {
			result, err := s.db.Exec(ctx, `
				UPDATE ca_crls SET superseded_at = $4
				WHERE tenant_id = $1 AND ca_id = $2 AND id = $3 AND superseded_at = 0 AND number < $5`,
				l.Tenant, l.CAID, before, database.Micros(l.ThisUpdate), l.Number)
			if err != nil {
				return fmt.Errorf("supersede list: %w", err)
			}
			changed, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if changed != 1 {
				return revocation.ErrStale
			}
		}
		_, err := s.db.Exec(ctx, `
			INSERT INTO ca_crls (tenant_id, ca_id, id, shard, delta, number, base, covers, scoped, freshest, this_update, next_update, entries, size, parts, digest,
				superseded_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)`,
			l.Tenant, l.CAID, l.ID, int64(l.Shard), l.Delta, l.Number, l.Base, l.Covers, l.Scoped, l.Freshest, database.Micros(l.ThisUpdate),
			database.Micros(l.NextUpdate), l.Entries, l.Size, int64(l.Parts), l.Digest)
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, l.Tenant, changeList, l.CAID)
	})
	if database.IsUniqueViolation(err) { // somebody else has made the first one
		return errors.Join(revocation.ErrStale, err)
	}
	return err
}

// lastSuperseded are the numbers of the complete lists before the current ones.
const lastSuperseded = `
	SELECT MAX(m.number) FROM ca_crls m WHERE m.tenant_id = $1 AND m.ca_id = $2 AND m.superseded_at > 0 AND NOT m.delta GROUP BY m.shard`

// Lists implements revocation.ListStore.
func (s *Store) Lists(ctx context.Context, tenant, ca string, at time.Time) ([]revocation.List, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+listColumns+`
		FROM ca_crls l
		WHERE l.tenant_id = $1 AND l.ca_id = $2 AND (l.superseded_at = 0 OR (l.next_update > $3 AND l.number IN (`+lastSuperseded+`)))
		ORDER BY l.number DESC`, tenant, ca, database.Micros(at))
	if err != nil {
		return nil, fmt.Errorf("select lists: %w", err)
	}
	return database.Collect(rows, scanList)
}

// Current implements revocation.ListStore.
func (s *Store) Current(ctx context.Context, tenant, ca string, shard int, delta bool) (revocation.List, error) {
	l, err := scanList(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+listColumns+`
		FROM ca_crls l
		WHERE l.tenant_id = $1 AND l.ca_id = $2 AND l.shard = $3 AND l.delta = $4 AND l.superseded_at = 0`, tenant, ca, int64(shard), delta))
	return l, missing(revocation.ErrNotFound, err)
}

// Discard implements revocation.ListStore.
func (s *Store) Discard(ctx context.Context, tenant, ca string, superseded, expired time.Time) error {
	ctx = database.WithTenant(ctx, tenant)
	_, err := s.db.Exec(ctx, `
		DELETE FROM ca_crl_parts WHERE tenant_id = $1 AND crl_id IN (
			SELECT id FROM ca_crls WHERE tenant_id = $1 AND ca_id = $2 AND superseded_at > 0 AND superseded_at < $3)`,
		tenant, ca, database.Micros(superseded))
	if err != nil {
		return fmt.Errorf("delete parts of lists: %w", err)
	}
	_, err = s.db.Exec(ctx, `
		DELETE FROM ca_crls
		WHERE tenant_id = $1 AND ca_id = $2 AND superseded_at > 0 AND superseded_at < $3 AND (next_update < $4 OR number NOT IN (`+lastSuperseded+`))`,
		tenant, ca, database.Micros(superseded), database.Micros(expired))
	if err != nil {
		return fmt.Errorf("delete lists: %w", err)
	}
	return nil
}

// Delegate implements revocation.ResponderStore.
func (s *Store) Delegate(ctx context.Context, tenant, ca string) (revocation.Delegate, error) {
	d, err := scanDelegate(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+delegateColumns+`
		FROM ca_responders d
		WHERE d.tenant_id = $1 AND d.ca_id = $2
		ORDER BY d.created_at DESC, d.id DESC LIMIT 1`, tenant, ca))
	return d, missing(revocation.ErrNotFound, err)
}

// delegateColumns are the columns of a responder, in the order of scanDelegate.
const delegateColumns = `d.tenant_id, d.ca_id, d.id, d.certificate, d.wrapped_key, d.not_before, d.not_after, d.created_at`

func scanDelegate(r database.Scanner) (d revocation.Delegate, err error) {
	var notBefore, notAfter, created int64
	if err := r.Scan(&d.Tenant, &d.CAID, &d.ID, &d.Certificate, &d.WrappedKey, &notBefore, &notAfter, &created); err != nil {
		return revocation.Delegate{}, fmt.Errorf("read responder: %w", err)
	}
	d.NotBefore, d.NotAfter, d.CreatedAt = database.Time(notBefore), database.Time(notAfter), database.Time(created)
	return d, nil
}

// AddDelegate implements revocation.ResponderStore.
func (s *Store) AddDelegate(ctx context.Context, d revocation.Delegate, now time.Time) error {
	return s.db.InTx(database.WithTenant(ctx, d.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO ca_responders (tenant_id, ca_id, id, certificate, wrapped_key, not_before, not_after, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, d.Tenant, d.CAID, d.ID, d.Certificate, d.WrappedKey, database.Micros(d.NotBefore),
			database.Micros(d.NotAfter), database.Micros(d.CreatedAt))
		if err != nil {
			return fmt.Errorf("insert responder: %w", err)
		}
		_, err = s.db.Exec(ctx, `DELETE FROM ca_responders WHERE tenant_id = $1 AND ca_id = $2 AND not_after < $3`, d.Tenant, d.CAID, database.Micros(now))
		if err != nil {
			return fmt.Errorf("delete responders: %w", err)
		}
		return changes.Note(ctx, s.db, d.Tenant, ChangeResponder, d.CAID)
	})
}
