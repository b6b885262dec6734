package acmeapi_test

import (
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// rawOf is a raw client of the account that another client has.
func rawOf(t *testing.T, f *fixture, c *xacme.Client, directory string) *raw {
	t.Helper()
	key, ok := c.Key.(*ecdsa.PrivateKey)
	require.True(t, ok)
	return &raw{f: f, directory: directory, key: key, kid: string(c.KID)}
}

func TestObjects_AreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		_, certificateURL := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com", "new.example.com"))
		require.NoError(t, err)
		var pending *xacme.Authorization
		for _, url := range order.AuthzURLs {
			z, err := c.GetAuthorization(t.Context(), url)
			require.NoError(t, err)
			if z.Status == xacme.StatusPending {
				pending = z
			}
		}
		owner, stranger := rawOf(t, f, c, "main"), newRaw(t, f, "main")
		csr := fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com", "new.example.com")))
		for url, payloads := range map[string][]string{
			order.URI:                 {""},
			order.FinalizeURL:         {csr},
			pending.URI:               {"", `{"status":"deactivated"}`},
			pending.Challenges[0].URI: {"", "{}"},
			certificateURL:            {""},
			certificateURL + "/1":     {""},
		} {
			for _, payload := range payloads {
				a := stranger.postURL(t, url, payload, nil)
				assert.Equal(t, acme.Malformed, a.problem.Type, "%s %s", url, a.body)
				assert.Equal(t, http.StatusNotFound, a.status)
				missing := strings.Replace(url, "/main/", "/other/", 1)
				elsewhere := newRaw(t, f, "other").postURL(t, missing, payload, nil)
				assert.Equal(t, http.StatusNotFound, elsewhere.status)
				assert.Equal(t, a.problem.Detail, elsewhere.problem.Detail, "what exists and what does not look alike")
			}
		}
		for _, url := range []string{owner.kid, owner.kid + "/orders"} {
			refused(t, stranger.postURL(t, url, "", nil), acme.Unauthorized, http.StatusForbidden)
		}
		refused(t, stranger.postURL(t, owner.kid, `{"status":"deactivated"}`, nil), acme.Unauthorized, http.StatusForbidden)
		assert.Equal(t, "pending", owner.postURL(t, pending.URI, "", nil).member(t, "status"), "nothing has changed")
	})
}

func TestObjects_ThatDoNotExistAreNotFound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		const id = "0190f3a0-0000-7000-8000-000000000000"
		for _, path := range []string{
			"/order/" + id, "/order/x", "/authz/" + id, "/authz/" + strings.ToUpper(id), "/challenge/" + id + "/http-01", "/certificate/0a0b", "/certificate/x",
			"/certificate/0a0b/1", "/certificate/0a0b/0", "/order/..%2f",
		} {
			a := r.post(t, path, "", nil)
			assert.Equal(t, http.StatusNotFound, a.status, "%s %s", path, a.body)
		}
	})
}

func TestObjects_AreNotReadByGET(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		order := r.post(t, "/new-order", newOrderPayload, nil)
		require.Equal(t, http.StatusCreated, order.status)
		for _, url := range append(order.list(t, "authorizations"), order.header.Get("Location"), r.kid, r.url("/new-account"), r.url("/revoke-cert"), r.url("/key-change")) {
			a := r.get(t, url)
			assert.Equal(t, http.StatusMethodNotAllowed, a.status, url)
			assert.Equal(t, acme.Malformed, a.problem.Type)
			assert.Equal(t, http.MethodPost, a.header.Get("Allow"))
		}
	})
}

func TestAnswers_HaveNonceAndLinks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		index := `<` + r.url("/directory") + `>;rel="index"`
		order := r.post(t, "/new-order", newOrderPayload, nil)
		authorization := order.list(t, "authorizations")[0]
		challenge := r.postURL(t, strings.Replace(authorization, "/authz/", "/challenge/", 1)+"/http-01", "", nil)
		for _, a := range []answer{order, challenge, r.postURL(t, authorization, "", nil), r.post(t, "/order/x", "", nil), r.get(t, r.url("/new-nonce"))} {
			assert.Contains(t, a.header.Values("Link"), index)
			assert.NotEmpty(t, a.header.Get("Replay-Nonce"))
			assert.Equal(t, "no-store", a.header.Get("Cache-Control"))
		}
		assert.Contains(t, challenge.header.Values("Link"), `<`+authorization+`>;rel="up"`)
		assert.Equal(t, http.StatusNoContent, r.get(t, r.url("/new-nonce")).status)
		assert.Equal(t, http.StatusNoContent, r.post(t, "/new-nonce", "", nil).status)
		assert.Equal(t, r.get(t, r.url("/directory")).body, r.post(t, "/directory", "", nil).body)
		refused(t, r.post(t, "/directory", "{}", nil), acme.Malformed, http.StatusBadRequest)
		assert.NotContains(t, string(r.post(t, "/order/x", "", nil).body), "subproblems")
	})
}
