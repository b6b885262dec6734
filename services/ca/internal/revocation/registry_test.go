package revocation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

func TestRevoke_HappensOnceAndTheReasonOnlyBecomesGraver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		first := r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.Superseded})
		assert.Equal(t, revocation.Revoked, first.State)
		assert.Equal(t, r.clock.read(), first.RevokedAt)
		r.clock.add(time.Hour)
		assert.Equal(t, first, r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.Superseded}), "asked again")
		require.Len(t, r.events.all, 1, "and recorded once")

		_, err := r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: c.String(), Reason: reason.CessationOfOperation})
		assert.True(t, problem.Is(err, "already_revoked"), "%v", err)
		invalid := r.clock.read().Add(-24 * time.Hour)
		graver := r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.KeyCompromise, InvalidAt: invalid})
		assert.Equal(t, first.RevokedAt, graver.RevokedAt, "when it was revoked does not change")
		assert.Equal(t, reason.KeyCompromise, graver.Reason)
		_, err = r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: c.String(), Reason: reason.Superseded})
		assert.True(t, problem.Is(err, "already_revoked"), "a compromise is not taken back: %v", err)

		stored, err := r.registry.Status(t.Context(), officer(), c.String())
		require.NoError(t, err)
		assert.Equal(t, graver, stored)
		r.publish(t)
		assert.Equal(t, map[string]int{c.String(): 1}, reasons(r.list(t, "ca", "0.crl")))
		_, blocked, err := r.store.Blocked(t.Context(), tenant, c.row.SPKISHA256)
		require.NoError(t, err)
		assert.True(t, blocked, "the compromised key gets no certificate any more")
	})
}

func TestRevoke_IsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		order := revocation.Order{Serial: c.String()}
		reader := access.Caller{Tenant: tenant, Scopes: []string{access.Read.Scope()}}
		_, err := r.registry.Revoke(t.Context(), reader, order)
		assert.True(t, problem.Is(err, problem.InsufficientScope), "%v", err)
		_, _, err = r.registry.RevokeAll(t.Context(), reader, revocation.Selection{Lineage: c.String()}, 0)
		assert.True(t, problem.Is(err, problem.InsufficientScope), "%v", err)
		_, err = r.registry.Release(t.Context(), reader, c.String())
		assert.True(t, problem.Is(err, problem.InsufficientScope), "%v", err)
		assert.True(t, problem.Is(r.publisher.PublishNow(t.Context(), reader, "ca"), problem.InsufficientScope))
		stranger := officer()
		stranger.Tenant = "other"
		_, err = r.registry.Revoke(t.Context(), stranger, order)
		assert.True(t, problem.Is(err, problem.NotFound), "%v", err)
		_, err = r.registry.Status(t.Context(), stranger, c.String())
		assert.True(t, problem.Is(err, problem.NotFound), "%v", err)
		serials, _, err := r.registry.RevokeAll(t.Context(), stranger, revocation.Selection{Lineage: c.String()}, 0)
		require.NoError(t, err)
		assert.Empty(t, serials)
		for _, serial := range []string{"", "zz", "0", "00ff", certificate.NewSerial().String()} {
			_, err = r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: serial})
			assert.True(t, problem.Is(err, problem.NotFound), "%q: %v", serial, err)
		}
		_, err = r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: c.String(), InvalidAt: r.clock.read().Add(time.Minute)})
		assert.True(t, problem.Is(err, problem.ValidationFailed), "%v", err)
		status, err := r.registry.Status(t.Context(), officer(), c.String())
		require.NoError(t, err)
		assert.Equal(t, revocation.Issued, status.State, "nobody has revoked it")
	})
}

func TestRevoke_KnowsTheReasonsOfEachFamily(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.add(t, tenant, "br", func(i *revocation.Issuer) { i.Family = hierarchy.BR })
		for _, c := range []struct {
			ca      string
			channel issuance.Channel
			allowed []reason.Reason
		}{
			{"ca", issuance.ByREST, []reason.Reason{0, 1, 2, 3, 4, 5, 6, 9, 10}},
			{"ca", issuance.ByCA, []reason.Reason{0, 1, 2, 3, 4, 5, 6, 9, 10}},
			{"br", issuance.ByACME, []reason.Reason{0, 1, 3, 4, 5, 9}},
			{"br", issuance.ByCA, []reason.Reason{1, 2, 3, 4, 5, 9}},
		} {
			for why := reason.Reason(-1); why < 12; why++ {
				i := r.issue(t, func(row *issuance.Certificate) { row.CAID, row.Channel = c.ca, c.channel })
				_, err := r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: i.String(), Reason: why})
				if slices.Contains(c.allowed, why) {
					require.NoError(t, err, "%s %s %s", c.ca, c.channel, why)
				} else {
					require.True(t, problem.Is(err, "bad_reason"), "%s %s %s: %v", c.ca, c.channel, why, err)
				}
			}
		}
	})
}

func TestRelease_EndsASuspensionAndNothingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		_, err := r.registry.Release(t.Context(), officer(), c.String())
		assert.True(t, problem.Is(err, problem.InvalidState), "%v", err)
		r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.CertificateHold})
		r.publish(t)
		assert.Equal(t, map[string]int{c.String(): 6}, reasons(r.list(t, "ca", "0.crl")))
		assert.Equal(t, 6, r.ask(t, "ca", c.serial).RevocationReason)
		released, err := r.registry.Release(t.Context(), officer(), c.String())
		require.NoError(t, err)
		assert.Equal(t, revocation.Issued, released.State)
		r.publish(t)
		assert.Empty(t, reasons(r.list(t, "ca", "0.crl")))
		assert.Equal(t, 0, r.ask(t, "ca", c.serial).Status)

		r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.CertificateHold})
		r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.CessationOfOperation}) // for good
		_, err = r.registry.Release(t.Context(), officer(), c.String())
		assert.True(t, problem.Is(err, problem.InvalidState), "%v", err)
	})
}

func TestRevoke_IsUndoneWithItsEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		assert.Equal(t, 0, r.ask(t, "ca", c.serial).Status)
		r.events.fail = errors.New("the audit trail is away")
		_, err := r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: c.String(), Reason: reason.KeyCompromise})
		require.ErrorIs(t, err, r.events.fail)
		status, err := r.registry.Status(t.Context(), officer(), c.String())
		require.NoError(t, err)
		assert.Equal(t, revocation.Issued, status.State)
		_, blocked, err := r.store.Blocked(t.Context(), tenant, c.row.SPKISHA256)
		require.NoError(t, err)
		assert.False(t, blocked)
		assert.Equal(t, 0, r.ask(t, "ca", c.serial).Status)
	})
}

func TestRevokeAll_RevokesALineageOrEverythingWithAKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		first := r.issue(t)
		of := func(c *issuance.Certificate) { c.Lineage = first.String() }
		second, third := r.issue(t, of), r.issue(t, of)
		same := r.issue(t, func(c *issuance.Certificate) { c.SPKISHA256 = third.row.SPKISHA256 })
		other := r.issue(t)
		r.revoke(t, revocation.Order{Serial: second.String(), Reason: reason.Superseded})

		serials, more, err := r.registry.RevokeAll(t.Context(), officer(), revocation.Selection{Lineage: first.String()}, reason.CessationOfOperation)
		require.NoError(t, err)
		assert.False(t, more)
		assert.ElementsMatch(t, []string{first.String(), third.String()}, serials, "one was revoked before")
		serials, _, err = r.registry.RevokeAll(t.Context(), officer(), revocation.Selection{SPKISHA256: third.row.SPKISHA256}, reason.KeyCompromise)
		require.NoError(t, err)
		assert.Equal(t, []string{same.String()}, serials)
		status, err := r.registry.Status(t.Context(), officer(), other.String())
		require.NoError(t, err)
		assert.Equal(t, revocation.Issued, status.State)

		for _, s := range []revocation.Selection{{}, {Lineage: "x"}, {SPKISHA256: []byte{1}}, {Lineage: first.String(), SPKISHA256: third.row.SPKISHA256}} {
			_, _, err := r.registry.RevokeAll(t.Context(), officer(), s, 0)
			assert.True(t, problem.Is(err, problem.ValidationFailed), "%v", err)
		}
	})
}

func TestRevokeAbandoned_RevokesWhatACrashHasLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		left := r.intend(t)
		assert.Equal(t, 0, r.ask(t, "ca", left.serial).Status, "it may have been signed: it counts as issued")
		r.clock.add(time.Hour)
		young := r.intend(t)
		n, err := r.registry.RevokeAbandoned(t.Context(), tenant, r.clock.read().Add(-time.Minute))
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, 1, r.ask(t, "ca", left.serial).Status)
		assert.Equal(t, 0, r.ask(t, "ca", young.serial).Status)
		r.publish(t)
		assert.Equal(t, map[string]int{left.String(): 5}, reasons(r.list(t, "ca", "0.crl")))
		require.ErrorIs(t, r.store.Complete(t.Context(), tenant, []issuance.Outcome{{Serial: left.String(), DER: []byte{1}}}), issuance.ErrStale,
			"whoever signs it after all has no certificate")
	})
}
