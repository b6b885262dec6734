package acmeapi_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// renewalID is RFC 9773 section 4.1.
func renewalID(c *x509.Certificate) string {
	return encode(c.AuthorityKeyId) + "." + encode(c.SerialNumber.Bytes())
}

// window asks when a certificate should be renewed.
func window(t *testing.T, r *raw, c *x509.Certificate) (start, end time.Time) {
	t.Helper()
	a := r.get(t, r.url("/renewal-info/"+renewalID(c)))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	var info struct {
		SuggestedWindow struct{ Start, End time.Time }
	}
	require.NoError(t, json.Unmarshal(a.body, &info))
	return info.SuggestedWindow.Start, info.SuggestedWindow.End
}

func TestRenewalInfo_IsBeforeTheEndAndAtOnceAfterRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		r := &raw{f: f, directory: "main"}
		chain, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		start, end := window(t, r, chain[0])
		assert.True(t, start.After(f.clock.now()))
		assert.True(t, end.After(start))
		assert.True(t, end.Before(chain[0].NotAfter))
		require.NoError(t, c.RevokeCert(t.Context(), nil, chain[0].Raw, xacme.CRLReasonSuperseded))
		_, end = window(t, r, chain[0])
		assert.True(t, end.Before(f.clock.now()))

		right := renewalID(chain[0])
		stranger := *chain[0]
		stranger.AuthorityKeyId = []byte("other")
		for id, status := range map[string]int{
			"x": 400, "x.": 400, "AA.gA": 400, "AA.AAE": 400, ".": 400, right + "=": 400, right + ".AA": 400, "AA.AA": 404, renewalID(&stranger): 404,
			encode(chain[0].AuthorityKeyId) + "." + encode(bytes.Repeat([]byte{1}, 30)): 400,
		} {
			assert.Equal(t, status, r.get(t, r.url("/renewal-info/"+id)).status, id)
		}
	})
}

func TestReplaces_MarksOneSuccessorOfAnOwnCertificate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		r := rawOf(t, f, c, "main")
		chain, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com", "a.example.com")
		order := func(r *raw, names string, id string) answer {
			return r.post(t, "/new-order", fmt.Sprintf(`{"identifiers":[{"type":"dns","value":%q}],"replaces":%q}`, names, id), nil)
		}
		id := renewalID(chain[0])
		refused(t, order(r, "www.example.com", "garbage"), acme.Malformed, http.StatusBadRequest)
		refused(t, order(r, "www.example.com", "AA.AA"), acme.Malformed, http.StatusNotFound)
		refused(t, order(r, "b.example.com", id), acme.Malformed, http.StatusBadRequest)
		refused(t, order(newRaw(t, f, "main"), "www.example.com", id), acme.Unauthorized, http.StatusForbidden)

		first := order(r, "www.example.com", id)
		require.Equal(t, http.StatusCreated, first.status, "%s", first.body)
		assert.Equal(t, id, first.member(t, "replaces"))
		assert.Equal(t, id, r.postURL(t, first.header.Get("Location"), "", nil).member(t, "replaces"))
		refused(t, order(r, "www.example.com", id), acme.AlreadyReplaced, http.StatusConflict)
		longer := encode(chain[0].AuthorityKeyId) + "." + encode(append([]byte{0}, chain[0].SerialNumber.Bytes()...))
		refused(t, order(r, "www.example.com", longer), acme.Malformed, http.StatusBadRequest)
		finalized := r.postURL(t, first.member(t, "finalize"), fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com"))), nil)
		require.Equal(t, "valid", finalized.member(t, "status"), "%s", finalized.body)
		f.authority.tune(func(a *authority) {
			found := false
			for _, c := range a.issued {
				found = found || c.ask.Replaces == fmt.Sprintf("%x", chain[0].SerialNumber.Bytes())
			}
			assert.True(t, found, "the issuer is told")
		})
		refused(t, order(r, "www.example.com", id), acme.AlreadyReplaced, http.StatusConflict)
	})
}

func TestReplaces_AnOrderThatCameToNothingIsInNobodysWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		r := rawOf(t, f, c, "main")
		chain, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		payload := fmt.Sprintf(`{"identifiers":[{"type":"dns","value":"www.example.com"},{"type":"dns","value":"new.example.com"}],"replaces":%q}`, renewalID(chain[0]))
		first := r.post(t, "/new-order", payload, nil)
		require.Equal(t, http.StatusCreated, first.status, "%s", first.body)
		for _, url := range first.list(t, "authorizations") {
			z, err := c.GetAuthorization(t.Context(), url)
			require.NoError(t, err)
			if z.Status == xacme.StatusPending {
				require.NoError(t, c.RevokeAuthorization(t.Context(), url))
			}
		}
		assert.Equal(t, "invalid", r.postURL(t, first.header.Get("Location"), "", nil).member(t, "status"))
		assert.Equal(t, http.StatusCreated, r.post(t, "/new-order", payload, nil).status)
		refused(t, r.post(t, "/new-order", payload, nil), acme.AlreadyReplaced, http.StatusConflict)
	})
}
