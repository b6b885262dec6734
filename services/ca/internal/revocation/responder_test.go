package revocation_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
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

// TestAnswer_SeveralAtOnceWithANonce asks about one of each kind in one request.
func TestAnswer_SeveralAtOnceWithANonce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		good, bad, never := r.issue(t), r.issue(t), certificate.NewSerial()
		r.revoke(t, revocation.Order{Serial: bad.String(), Reason: reason.Superseded})
		var list, request cryptobyte.Builder
		for _, serial := range []certificate.Serial{good.serial, bad.serial, never} {
			single, err := ocsp.ParseRequest(r.question(t, "ca", serial))
			require.NoError(t, err)
			list.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(single.IDs[0].Raw) })
		}
		singles, err := list.Bytes()
		require.NoError(t, err)
		nonce := []byte("a nonce of 23 bytes ...")
		request.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(singles) })
				b.AddASN1(tags.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier([]int{1, 3, 6, 1, 5, 5, 7, 48, 1, 2})
							b.AddASN1(tags.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
						})
					})
				})
			})
		})
		question, err := request.Bytes()
		require.NoError(t, err)
		answer, err := r.responder.Answer(t.Context(), tenant, "ca", question)
		require.NoError(t, err)
		assert.Nil(t, answer.Fresh, "it is for one caller")
		assert.Contains(t, string(answer.DER), string(nonce))
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		for serial, want := range map[string]int{good.String(): witness.Good, bad.String(): witness.Revoked, never.String(): witness.Unknown} {
			number, err := certificate.ParseSerial(serial)
			require.NoError(t, err)
			response, err := witness.ParseResponseForCert(answer.DER, &x509.Certificate{SerialNumber: number.Int()}, issuer.Certificate)
			require.NoError(t, err)
			assert.Equal(t, want, response.Status)
		}
		again, err := r.responder.Answer(t.Context(), tenant, "ca", question)
		require.NoError(t, err)
		assert.NotEqual(t, answer.DER, again.DER, "signed for each")
	})
}

// TestResponderValues_AreWrappedAnew moves a responder's key to a new wrapping while another replica answers by it.
func TestResponderValues_AreWrappedAnew(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, here, there *replica) {
		issuer, err := here.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		require.NoError(t, here.delegates.Renew(t.Context(), issuer))
		require.NoError(t, there.follower.CatchUp(t.Context()))
		c := here.issue(t)
		require.NotNil(t, there.ask(t, "ca", c.serial).Certificate)
		values := sqlstore.NewResponderValues(here.store.Store, func(_ context.Context, after string, _ int) ([]string, error) {
			if after == "" {
				return []string{tenant}, nil
			}
			return nil, nil
		})
		items, err := values.Next(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, items, 1)
		text, err := here.barrier.Unwrap(t.Context(), items[0].Binding, items[0].JWE)
		require.NoError(t, err)
		wrapper, err := here.barrier.Tenant(t.Context(), tenant)
		require.NoError(t, err)
		wrapped, err := wrapper.Wrap(items[0].Binding, text)
		require.NoError(t, err)
		replaced, err := values.Replace(t.Context(), items[0], wrapped)
		require.NoError(t, err)
		assert.True(t, replaced)
		replaced, err = values.Replace(t.Context(), items[0], wrapped)
		require.NoError(t, err)
		assert.False(t, replaced, "it is another by now")
		rest, err := values.Next(t.Context(), items[0].Position, 10)
		require.NoError(t, err)
		assert.Empty(t, rest)
		require.NoError(t, there.follower.CatchUp(t.Context()))
		assert.NotNil(t, there.ask(t, "ca", here.issue(t).serial).Certificate)
	})
}
