package revocation_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

func TestAnswer_TellsTheStatusByADelegateOrByTheCA(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.add(t, tenant, "other")
		good, bad := r.issue(t), r.issue(t)
		others := r.issue(t, func(c *issuance.Certificate) { c.CAID = "other" })
		r.revoke(t, revocation.Order{Serial: bad.String(), Reason: reason.KeyCompromise})
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		for _, delegated := range []bool{false, true} {
			if delegated {
				require.NoError(t, r.delegates.Renew(t.Context(), issuer))
			}
			response := r.ask(t, "ca", good.serial)
			assert.Equal(t, witness.Good, response.Status)
			assert.Equal(t, delegated, response.Certificate != nil)
			response = r.ask(t, "ca", bad.serial)
			assert.Equal(t, witness.Revoked, response.Status)
			assert.Equal(t, 1, response.RevocationReason)
			assert.Equal(t, r.clock.read(), response.RevokedAt)
			assert.Equal(t, witness.Unknown, r.ask(t, "ca", certificate.NewSerial()).Status, "never issued")
			assert.Equal(t, witness.Unknown, r.ask(t, "ca", others.serial).Status, "issued by another")
		}
	})
}

// TestAnswer_TellsARevocationOnEveryReplicaWithinASecond counts only the time that the database and the follower take.
func TestAnswer_TellsARevocationOnEveryReplicaWithinASecond(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, here, there *replica) {
		there.run(t)
		for range 5 {
			c := here.issue(t)
			require.Equal(t, witness.Good, here.ask(t, "ca", c.serial).Status)
			require.Equal(t, witness.Good, there.ask(t, "ca", c.serial).Status)
			here.revoke(t, revocation.Order{Serial: c.String()})
			assert.Equal(t, witness.Revoked, here.ask(t, "ca", c.serial).Status, "at once where it was revoked")
			began := time.Now()
			require.Eventually(t, func() bool { return there.ask(t, "ca", c.serial).Status == witness.Revoked }, deadline, 5*time.Millisecond)
			t.Logf("told elsewhere after %s", time.Since(began))
		}
	})
}

func TestAnswer_AResponseIsSignedOnceAndRenewedInTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		ask := func() revocation.Answer {
			answer, err := r.responder.Answer(t.Context(), tenant, "ca", r.question(t, "ca", c.serial))
			require.NoError(t, err)
			return answer
		}
		first := ask()
		require.NotNil(t, first.Fresh)
		r.clock.add(29 * time.Minute)
		assert.Equal(t, first.DER, ask().DER)
		r.clock.add(2 * time.Minute)
		renewed := ask()
		assert.NotEqual(t, first.DER, renewed.DER)
		assert.Equal(t, renewed.DER, ask().DER)
		r.clock.add(-time.Hour)
		assert.NotEqual(t, renewed.DER, ask().DER, "a clock that was set back does not leave responses of the future")

		unknown := certificate.NewSerial()
		answer, err := r.responder.Answer(t.Context(), tenant, "ca", r.question(t, "ca", unknown))
		require.NoError(t, err)
		assert.Nil(t, answer.Fresh, "what is unknown may be issued")
		r.issue(t, func(row *issuance.Certificate) { row.Serial = unknown.String() })
		assert.Equal(t, witness.Good, r.ask(t, "ca", unknown).Status)
	})
}

func TestAnswer_RefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.add(t, tenant, "other")
		r.cas.add(t, tenant, "root", func(i *revocation.Issuer) { i.Manual = true })
		r.cas.add(t, tenant, "gone", func(i *revocation.Issuer) { i.Signs = false })
		c := r.issue(t)
		for _, at := range []struct {
			tenant, ca string
			question   []byte
			want       ocsp.Refusal
		}{
			{tenant, "ca", nil, ocsp.MalformedRequest},
			{tenant, "ca", []byte{0x30, 0}, ocsp.MalformedRequest},
			{tenant, "other", r.question(t, "ca", c.serial), ocsp.Unauthorized},
			{tenant, "root", r.question(t, "root", c.serial), ocsp.Unauthorized},
			{tenant, "gone", r.question(t, "gone", c.serial), ocsp.Unauthorized},
			{tenant, "none", r.question(t, "ca", c.serial), ocsp.Unauthorized},
			{"stranger", "ca", r.question(t, "ca", c.serial), ocsp.Unauthorized},
		} {
			answer, err := r.responder.Answer(t.Context(), at.tenant, at.ca, at.question)
			require.NoError(t, err)
			assert.Equal(t, at.want.DER(), answer.DER, "%+v", at)
			assert.Nil(t, answer.Fresh)
		}
	})
}

func TestAnswer_WhileSealedGivesWhatWasSignedBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		asked, other := r.issue(t), r.issue(t)
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		require.NoError(t, r.delegates.Renew(t.Context(), issuer))
		require.NotNil(t, r.ask(t, "ca", asked.serial).Certificate)
		r.barrier.Seal()
		r.responder.Forget()
		assert.Equal(t, witness.Good, r.ask(t, "ca", asked.serial).Status)
		answer, err := r.responder.Answer(t.Context(), tenant, "ca", r.question(t, "ca", other.serial))
		require.ErrorIs(t, err, barrier.ErrSealed)
		assert.Equal(t, ocsp.TryLater.DER(), answer.DER)
		unsealed := make([]byte, barrier.UnsealKeySize)
		for i := range unsealed {
			unsealed[i] = 7
		}
		require.NoError(t, r.barrier.Unseal(t.Context(), unsealed, "unseal"))
		assert.Equal(t, witness.Good, r.ask(t, "ca", other.serial).Status)
	})
}

func TestRenew_ReplacesAResponderInTimeOrWhenItIsRevoked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		c := r.issue(t)
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		renew := func() *x509.Certificate {
			require.NoError(t, r.delegates.Renew(t.Context(), issuer))
			require.NoError(t, r.follower.CatchUp(t.Context()))
			return r.ask(t, "ca", c.serial).Certificate
		}
		first := renew()
		assert.Equal(t, first, renew())
		r.clock.add(15 * time.Hour)
		assert.Equal(t, first, renew())
		r.clock.add(2 * time.Hour) // two thirds of a day
		second := renew()
		assert.NotEqual(t, first.SerialNumber, second.SerialNumber)

		serial, err := certificate.SerialOf(second.SerialNumber)
		require.NoError(t, err)
		r.issue(t, func(row *issuance.Certificate) { row.Serial = serial.String() })
		r.revoke(t, revocation.Order{Serial: serial.String(), Reason: reason.KeyCompromise})
		third := renew()
		assert.NotEqual(t, second.SerialNumber, third.SerialNumber)

		r.clock.add(25 * time.Hour) // and nobody has renewed it
		response := r.ask(t, "ca", c.serial)
		assert.Nil(t, response.Certificate, "the CA answers itself rather than by a responder whom nobody believes")
		assert.Equal(t, 3, r.cas.made)
		require.NoError(t, r.delegates.Renew(t.Context(), &revocation.Issuer{Tenant: tenant, ID: "root", Manual: true, Signs: true}))
		assert.Equal(t, 3, r.cas.made, "a root certifies CAs alone")
	})
}

func TestAnswer_KeepsTheFamilysValidity(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.add(t, tenant, "br", func(i *revocation.Issuer) { i.Family = hierarchy.BR })
		c, br := r.issue(t), r.issue(t, func(c *issuance.Certificate) { c.CAID = "br" })
		assert.Equal(t, r.clock.read().Add(time.Hour), r.ask(t, "ca", c.serial).NextUpdate)
		assert.Equal(t, r.clock.read().Add(8*time.Hour), r.ask(t, "br", br.serial).NextUpdate)
	})
}
