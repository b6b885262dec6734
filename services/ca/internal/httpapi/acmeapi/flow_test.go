package acmeapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestClient_ObtainsRenewsAndRevokes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		for _, method := range []validation.Method{validation.HTTP01, validation.DNS01, validation.TLSALPN01} {
			name := string(method) + ".example.com"
			chain, url := f.obtain(t.Context(), t, c, method, name, "www."+name)
			require.Len(t, chain, 2)
			assert.Equal(t, []string{name, "www." + name}, chain[0].DNSNames)
			require.NoError(t, chain[0].CheckSignatureFrom(chain[1]))

			again, err := c.FetchCert(t.Context(), url, true)
			require.NoError(t, err)
			assert.Equal(t, chain[0].Raw, again[0])

			renewed, _ := f.obtain(t.Context(), t, c, method, name, "www."+name) // its proofs are used again
			assert.NotEqual(t, chain[0].SerialNumber, renewed[0].SerialNumber)

			require.NoError(t, c.RevokeCert(t.Context(), nil, chain[0].Raw, xacme.CRLReasonSuperseded))
			assert.True(t, f.authority.of(chain[0]).revoked)
			assert.Equal(t, 4, f.authority.of(chain[0]).reason)
			assert.False(t, f.authority.of(renewed[0]).revoked)
			err = c.RevokeCert(t.Context(), nil, chain[0].Raw, xacme.CRLReasonSuperseded)
			assert.NoError(t, err, "the client takes alreadyRevoked for success")
		}
	})
}

func TestClient_ObtainsWildcardsByDNSAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("*.example.com"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		assert.True(t, z.Wildcard)
		assert.Equal(t, "example.com", z.Identifier.Value)
		require.Len(t, z.Challenges, 1)
		assert.Equal(t, "dns-01", z.Challenges[0].Type)

		chain, _ := f.obtain(t.Context(), t, c, validation.DNS01, "*.example.com", "example.com")
		assert.ElementsMatch(t, []string{"*.example.com", "example.com"}, chain[0].DNSNames)
	})
}

func TestClient_ObtainsForAddresses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		for _, method := range []validation.Method{validation.HTTP01, validation.TLSALPN01} {
			other := f.account(t, "main") // so that the proof is not used again
			chain, _ := f.obtain(t.Context(), t, other, method, "127.0.0.1")
			require.Len(t, chain[0].IPAddresses, 1)
			assert.Equal(t, "127.0.0.1", chain[0].IPAddresses[0].String())
		}
		order, err := c.AuthorizeOrder(t.Context(), identifiers("127.0.0.1", "www.example.com"))
		require.NoError(t, err)
		assert.Len(t, order.AuthzURLs, 2)
	})
}

func TestClient_FindsAlternateChains(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		chain, url := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		others, err := c.ListCertAlternates(t.Context(), url)
		require.NoError(t, err)
		require.Len(t, others, 1)
		ders, err := c.FetchCert(t.Context(), others[0], true)
		require.NoError(t, err)
		alternate, err := parse(ders)
		require.NoError(t, err)
		assert.True(t, chain[0].Equal(alternate[0]))
		assert.Equal(t, "root one", chain[1].Issuer.CommonName)
		assert.Equal(t, "root two", alternate[1].Issuer.CommonName)
		back, err := c.ListCertAlternates(t.Context(), others[0])
		require.NoError(t, err)
		assert.Equal(t, []string{url}, back)
	})
}

func TestClient_ChangesItsKeyAndGoesOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		old := c.Key
		_, _ = f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		require.NoError(t, c.AccountKeyRollover(t.Context(), newKey(t)))
		chain, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com", "new.example.com")
		assert.Len(t, chain[0].DNSNames, 2)
		stranger := &xacme.Client{Key: old, HTTPClient: f.http, DirectoryURL: c.DirectoryURL}
		_, err := stranger.GetReg(t.Context(), "")
		assert.ErrorIs(t, err, xacme.ErrNoAccount, "the old key opens nothing")

		other := f.account(t, "main")
		err = c.AccountKeyRollover(t.Context(), other.Key)
		var problem *xacme.Error
		require.ErrorAs(t, err, &problem)
		assert.Equal(t, 409, problem.StatusCode)
		assert.NotEmpty(t, problem.Header.Get("Location"))
	})
}

func TestClient_DeactivatesItsAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		require.NoError(t, c.DeactivateReg(t.Context()))
		_, err = c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err))
		_, err = c.GetOrder(t.Context(), order.URI)
		assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err))
		again := &xacme.Client{Key: c.Key, HTTPClient: f.http, DirectoryURL: c.DirectoryURL}
		_, err = again.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
		assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err))
	})
}

func TestClient_DeactivatesAuthorizationsAndOrdersDie(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		require.NoError(t, f.prove(t.Context(), c, order, validation.HTTP01))
		require.NoError(t, c.RevokeAuthorization(t.Context(), order.AuthzURLs[0]))
		z, err := c.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusDeactivated, z.Status)
		order, err = c.GetOrder(t.Context(), order.URI)
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusInvalid, order.Status)
		require.Error(t, c.RevokeAuthorization(t.Context(), z.URI), "it is deactivated")
	})
}

func TestClient_UsesProofsAgainUntilTheyAreOld(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		first, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		require.NoError(t, f.prove(t.Context(), c, first, validation.HTTP01))
		second, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusReady, second.Status)
		assert.Equal(t, first.AuthzURLs, second.AuthzURLs)

		stranger, err := f.account(t, "main").AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusPending, stranger.Status, "a proof is one account's")
		wild, err := c.AuthorizeOrder(t.Context(), identifiers("*.www.example.com"))
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusPending, wild.Status, "the proof of a host is none of its children")

		f.clock.advance(7 * 24 * time.Hour)
		third, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusPending, third.Status)
		old, err := c.GetOrder(t.Context(), second.URI)
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusInvalid, old.Status)
	})
}

func TestClient_PreauthorizesNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		z, err := c.Authorize(t.Context(), "www.example.com")
		require.NoError(t, err)
		require.Equal(t, xacme.StatusPending, z.Status)
		require.NoError(t, f.prove(t.Context(), c, &xacme.Order{AuthzURLs: []string{z.URI}}, validation.TLSALPN01))
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusReady, order.Status)
		_, err = c.Authorize(t.Context(), "*.example.com")
		assert.Equal(t, "urn:ietf:params:acme:error:malformed", typeOf(t, err))
	})
}

func TestClient_RevokesByTheCertificatesKeyAndByAuthorization(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		key := newKey(t)
		chain, _, err := f.order(t.Context(), c, validation.HTTP01, request(t, key, "www.example.com"), "www.example.com")
		require.NoError(t, err)
		stranger := f.account(t, "main")
		err = stranger.RevokeCert(t.Context(), nil, chain[0].Raw, xacme.CRLReasonUnspecified)
		assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err))
		err = c.RevokeCert(t.Context(), newKey(t), chain[0].Raw, xacme.CRLReasonUnspecified)
		assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err))
		err = c.RevokeCert(t.Context(), nil, chain[0].Raw, xacme.CRLReasonCACompromise)
		assert.Equal(t, "urn:ietf:params:acme:error:badRevocationReason", typeOf(t, err))
		require.False(t, f.authority.of(chain[0]).revoked)
		require.NoError(t, c.RevokeCert(t.Context(), key, chain[0].Raw, xacme.CRLReasonKeyCompromise))
		assert.Equal(t, 1, f.authority.of(chain[0]).reason)

		second, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "a.example.com", "b.example.com")
		for i, name := range []string{"a.example.com", "b.example.com"} {
			order, err := stranger.AuthorizeOrder(t.Context(), identifiers(name))
			require.NoError(t, err)
			require.NoError(t, f.prove(t.Context(), stranger, order, validation.HTTP01))
			err = stranger.RevokeCert(t.Context(), nil, second[0].Raw, xacme.CRLReasonCessationOfOperation)
			if i == 0 {
				assert.Equal(t, "urn:ietf:params:acme:error:unauthorized", typeOf(t, err), "one of two names is not enough")
			} else {
				require.NoError(t, err)
			}
		}
		altered := append([]byte{}, second[0].Raw...)
		altered[len(altered)-1] ^= 1
		err = c.RevokeCert(t.Context(), nil, altered, xacme.CRLReasonUnspecified)
		assert.Equal(t, "urn:ietf:params:acme:error:malformed", typeOf(t, err))
	})
}

func TestClient_ReadsTheDirectory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		for name, wantTerms := range map[string]string{"main": "", "terms": terms} {
			d, err := f.client(t, name).Discover(t.Context())
			require.NoError(t, err)
			assert.Equal(t, wantTerms, d.Terms)
			assert.Equal(t, []string{"ca.example"}, d.CAA)
			assert.Equal(t, "https://ca.example/", d.Website)
			assert.Equal(t, f.url+"/acme/"+name+"/new-order", d.OrderURL)
		}
		d, err := f.client(t, "bound").Discover(t.Context())
		require.NoError(t, err)
		assert.True(t, d.ExternalAccountRequired)
		_, err = f.client(t, "missing").Discover(t.Context())
		assert.Error(t, err)
	})
}

// typeOf is the type of a problem.
func typeOf(t *testing.T, err error) string {
	t.Helper()
	var problem *xacme.Error
	require.ErrorAs(t, err, &problem)
	return problem.ProblemType
}
