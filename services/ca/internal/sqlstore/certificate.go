package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
)

var _ issuance.Store = (*Store)(nil)

// certificateColumns are the columns of a certificate, in the order in which scanCertificate reads them.
const certificateColumns = `c.tenant_id, c.serial, c.ca_id, c.profile, c.state, c.subject, c.common_name, c.not_before, c.not_after, c.spki_sha256, c.der, c.shard,
	c.requester, c.channel, c.lineage, c.replaces, c.revoked_at, c.reason, c.created_at, c.updated_at`

// Intend implements issuance.Store.
func (s *Store) Intend(ctx context.Context, tenant string, intents []issuance.Intent) error {
	ctx, err := s.db.Independent(ctx)
	if err != nil {
		return fmt.Errorf("store intended certificates: %w", err)
	}
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		for _, intent := range intents {
			if err := s.insertCertificate(ctx, intent.Certificate); err != nil {
				return err
			}
			if err := intent.Record(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if database.IsUniqueViolation(err) {
		return issuance.ErrSerialTaken
	}
	return err
}

// insertCertificate stores one with its names.
func (s *Store) insertCertificate(ctx context.Context, c issuance.Certificate) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO ca_certificates (tenant_id, serial, ca_id, profile, state, subject, common_name, not_before, not_after, spki_sha256, der, shard, requester, channel,
			lineage, replaces, revoked_at, reason, noticed, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, 0, $17, $17)`,
		c.Tenant, c.Serial, c.CAID, c.Profile, string(c.State), c.Subject, c.CommonName, database.Micros(c.NotBefore), database.Micros(c.NotAfter),
		c.SPKISHA256, c.DER, int64(c.Shard), c.Requester, string(c.Channel), c.Lineage, c.Replaces, database.Micros(c.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert certificate: %w", err)
	}
	for _, name := range namesOf(c) {
		_, err := s.db.Exec(ctx, `
			INSERT INTO ca_certificate_names (tenant_id, kind, name, serial) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			c.Tenant, name.kind, name.name, c.Serial)
		if err != nil {
			return fmt.Errorf("insert name of certificate: %w", err)
		}
	}
	return nil
}

// Kinds of names.
const (
	kindDNS   = "dns"
	kindIP    = "ip"
	kindEmail = "email"
	kindURI   = "uri"
	kindUPN   = "upn"
	kindCN    = "cn"
)

type kindOfName struct{ kind, name string }

// namesOf are the names by which a certificate is found.
func namesOf(c issuance.Certificate) []kindOfName {
	var all []kindOfName
	for _, name := range c.SAN.DNS {
		all = append(all, kindOfName{kindDNS, backwards(name)})
	}
	for _, ip := range c.SAN.IP {
		all = append(all, kindOfName{kindIP, ip.String()})
	}
	for kind, names := range map[string][]string{kindEmail: c.SAN.Email, kindURI: c.SAN.URI, kindUPN: c.SAN.UPN} {
		for _, name := range names {
			all = append(all, kindOfName{kind, strings.ToLower(name)})
		}
	}
	if c.CommonName != "" {
		all = append(all, kindOfName{kindCN, c.CommonName})
	}
	return all
}

// backwards writes the labels of a DNS name from last to first, with a dot at the end, so that a domain is a prefix of what is below it.
func backwards(name string) string {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	var b strings.Builder
	for i := len(labels) - 1; i >= 0; i-- {
		b.WriteString(labels[i])
		b.WriteByte('.')
	}
	return b.String()
}

// Complete implements issuance.Store.
func (s *Store) Complete(ctx context.Context, tenant string, outcomes []issuance.Outcome) error {
	return s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		for _, o := range outcomes {
			result, err := s.db.Exec(ctx, `
				UPDATE ca_certificates SET state = 'issued', der = $3, updated_at = $4
				WHERE tenant_id = $1 AND serial = $2 AND state = 'intended'`, tenant, o.Serial, o.DER, database.Micros(o.At))
			if err != nil {
				return fmt.Errorf("complete certificate: %w", err)
			}
			if err := one(result); err != nil {
				return fmt.Errorf("complete certificate %s: %w", o.Serial, err)
			}
			if o.Also == nil {
				continue
			}
			if err := o.Also(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// one is ErrStale unless exactly one row was changed.
func one(result sql.Result) error {
	changed, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if changed != 1 {
		return issuance.ErrStale
	}
	return nil
}

// Gathers implements issuance.Store.
func (s *Store) Gathers(ctx context.Context) bool { return !s.db.InUnit(ctx) }

// Certificate implements issuance.Store.
func (s *Store) Certificate(ctx context.Context, tenant, serial string) (issuance.Certificate, error) {
	ctx = database.WithTenant(ctx, tenant)
	c, err := scanCertificate(s.db.QueryRow(ctx, `SELECT `+certificateColumns+` FROM ca_certificates c WHERE c.tenant_id = $1 AND c.serial = $2`, tenant, serial))
	return c, missing(issuance.ErrNotFound, err)
}

// Certificates implements issuance.Store.
func (s *Store) Certificates(ctx context.Context, tenant string, list issuance.List) ([]issuance.Certificate, error) {
	kind, from, to := namesBetween(list.Name)
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+certificateColumns+`
		FROM ca_certificates c
		WHERE c.tenant_id = $1 AND (c.created_at > $2 OR (c.created_at = $2 AND c.serial > $3))
			AND ($4 = '' OR c.ca_id = $4) AND ($5 = '' OR c.profile = $5) AND ($6 = '' OR c.state = $6) AND ($7 = '' OR c.requester = $7)
			AND ($8 = '' OR c.lineage = $8) AND c.not_after >= $9 AND c.not_after < $10
			AND ($11 = 0 OR c.spki_sha256 = $12)
			AND ($13 = '' OR c.serial IN (
				SELECT n.serial FROM ca_certificate_names n
				WHERE n.tenant_id = $1 AND ((n.kind = $13 AND n.name >= $14 AND n.name < $15) OR (n.kind <> 'dns' AND n.name = $16))))
		ORDER BY c.created_at, c.serial
		LIMIT $17`,
		tenant, database.Micros(list.After.CreatedAt), list.After.Serial, list.CAID, list.Profile, string(list.State), list.Requester, list.Lineage,
		database.Micros(list.ExpiresAfter), before(list.ExpiresBefore), int64(len(list.SPKISHA256)), filled(list.SPKISHA256),
		kind, from, to, strings.ToLower(list.Name), int64(list.Limit))
	if err != nil {
		return nil, fmt.Errorf("select certificates: %w", err)
	}
	return database.Collect(rows, scanCertificate)
}

// before is an upper bound of times; the zero time is none.
func before(t time.Time) int64 {
	if t.IsZero() {
		return 1<<63 - 1
	}
	return database.Micros(t)
}

// namesBetween are the DNS names that a filter means, as an interval. The filter "*.example.org" is everything below the domain, which includes the
// name with the asterisk itself.
func namesBetween(filter string) (kind, from, to string) {
	if filter == "" {
		return "", "", ""
	}
	if domain, below := strings.CutPrefix(filter, "*."); below {
		prefix := backwards(domain)
		return kindDNS, prefix, prefix + "\x7f" // after every character of a name
	}
	name := backwards(filter)
	return kindDNS, name, name + "\x01"
}

// Blocked implements issuance.Store.
func (s *Store) Blocked(ctx context.Context, tenant string, spkiSHA256 []byte) (reason string, blocked bool, err error) {
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT reason FROM ca_blocked_keys WHERE tenant_id = $1 AND spki_sha256 = $2`, tenant, spkiSHA256).Scan(&reason)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look for a blocked key: %w", err)
	}
	return reason, true, nil
}

// scanCertificate reads a row of certificateColumns.
func scanCertificate(r database.Scanner) (c issuance.Certificate, err error) {
	var state, channel string
	var notBefore, notAfter, shard, revoked, reason, created, updated int64
	err = r.Scan(&c.Tenant, &c.Serial, &c.CAID, &c.Profile, &state, &c.Subject, &c.CommonName, &notBefore, &notAfter, &c.SPKISHA256, &c.DER, &shard,
		&c.Requester, &channel, &c.Lineage, &c.Replaces, &revoked, &reason, &created, &updated)
	if err != nil {
		return issuance.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	c.State, c.Channel, c.Shard, c.Reason = issuance.State(state), issuance.Channel(channel), int(shard), int(reason)
	c.NotBefore, c.NotAfter, c.RevokedAt = database.Time(notBefore), database.Time(notAfter), database.Time(revoked)
	c.CreatedAt, c.UpdatedAt = database.Time(created), database.Time(updated)
	return c, nil
}
