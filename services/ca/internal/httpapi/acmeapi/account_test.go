package acmeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

func TestAccount_IsOneForEachKeyAndDirectory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := &raw{f: f, directory: "main", key: newKey(t)}
		refused(t, r.post(t, "/new-account", `{"onlyReturnExisting":true}`, nil), acme.AccountDoesNotExist, http.StatusBadRequest)
		first := r.post(t, "/new-account", `{"contact":["mailto:a@example.com"]}`, nil)
		require.Equal(t, http.StatusCreated, first.status)
		for _, payload := range []string{`{}`, `{"onlyReturnExisting":true}`, `{"contact":["mailto:b@example.com"]}`} {
			again := r.post(t, "/new-account", payload, nil)
			assert.Equal(t, http.StatusOK, again.status)
			assert.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
			assert.Equal(t, []string{"mailto:a@example.com"}, again.list(t, "contact"))
		}
		other := &raw{f: f, directory: "other", key: r.key}
		assert.Equal(t, http.StatusCreated, other.post(t, "/new-account", `{}`, nil).status)
	})
}

func TestAccount_ManyAtOnceWithOneKeyMakeOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := &raw{f: f, directory: "main", key: newKey(t)}
		answers := make([]answer, 10)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = r.post(t, "/new-account", `{}`, nil) })
		}
		all.Wait()
		made := 0
		for _, a := range answers {
			require.Less(t, a.status, 300, "%s", a.body)
			assert.Equal(t, answers[0].header.Get("Location"), a.header.Get("Location"))
			if a.status == http.StatusCreated {
				made++
			}
		}
		assert.Equal(t, 1, made)
	})
}

func TestAccount_ContactsAreMailAddresses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		for contact, kind := range map[string]string{
			"tel:+12025551212": acme.UnsupportedContact, "": acme.UnsupportedContact, "mailto:": acme.InvalidContact, "mailto:a": acme.InvalidContact,
			"mailto:a@example.com,b@example.com": acme.InvalidContact, "mailto:a@example.com?subject=x": acme.InvalidContact, "mailto:A <a@example.com>": acme.InvalidContact,
			"mailto:a@ex\nample.com": acme.InvalidContact, "mailto:" + strings.Repeat("a", 400) + "@example.com": acme.InvalidContact,
		} {
			text, err := json.Marshal(map[string]any{"contact": []string{contact}})
			require.NoError(t, err)
			refused(t, r.postURL(t, r.kid, string(text), nil), kind, http.StatusBadRequest)
		}
		many, err := json.Marshal(map[string]any{"contact": strings.Split(strings.Repeat("mailto:a@example.com ", 11)[:11*21-1], " ")})
		require.NoError(t, err)
		refused(t, r.postURL(t, r.kid, string(many), nil), acme.InvalidContact, http.StatusBadRequest)
		changed := r.postURL(t, r.kid, `{"contact":["mailto:new@example.com"]}`, nil)
		assert.Equal(t, []string{"mailto:new@example.com"}, changed.list(t, "contact"))
		assert.Equal(t, []string{"mailto:new@example.com"}, r.postURL(t, r.kid, `{}`, nil).list(t, "contact"))
		assert.NotContains(t, string(r.postURL(t, r.kid, `{"contact":[]}`, nil).body), "contact")
		refused(t, r.postURL(t, r.kid, `{"status":"revoked"}`, nil), acme.Malformed, http.StatusBadRequest)
	})
}

func TestAccount_AgreesToTheTerms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := &raw{f: f, directory: "terms", key: newKey(t)}
		refused(t, r.post(t, "/new-account", `{}`, nil), acme.UserActionRequired, http.StatusForbidden)
		made := r.post(t, "/new-account", `{"termsOfServiceAgreed":true}`, nil)
		assert.Equal(t, http.StatusCreated, made.status)
		assert.Contains(t, string(made.body), `"termsOfServiceAgreed":true`)
	})
}

func TestAccount_ThatTheAuthorityRevokesIsOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		order := r.post(t, "/new-order", newOrderPayload, nil)
		id := strings.TrimPrefix(r.kid, r.url("/account/"))
		require.NoError(t, f.replicas[0].server.RevokeAccount(t.Context(), "default", id))
		refused(t, r.postURL(t, order.header.Get("Location"), "", nil), acme.Unauthorized, http.StatusForbidden)
		assert.ErrorIs(t, f.replicas[0].server.RevokeAccount(t.Context(), "elsewhere", id), acme.ErrNotFound)
	})
}

func TestLimits_AreSharedByReplicas(t *testing.T) {
	t.Parallel()
	o := options{replicas: 2, rates: map[acme.Limit]ratelimit.Rate{
		acme.NewAccounts: {Limit: 2, Per: time.Hour, Burst: 2}, acme.NewOrders: {Limit: 3, Per: time.Hour, Burst: 3}, acme.Validations: {Limit: 1, Per: time.Hour, Burst: 1},
	}}
	eachWith(t, o, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		newRaw(t, f, "main")
		third := &raw{f: f, directory: "main", key: newKey(t)}
		a := third.post(t, "/new-account", `{}`, nil)
		refused(t, a, acme.RateLimited, http.StatusTooManyRequests)
		assert.NotEmpty(t, a.header.Get("Retry-After"))
		for i := range 4 {
			a := r.post(t, "/new-order", fmt.Sprintf(`{"identifiers":[{"type":"dns","value":"a%d.example.com"}]}`, i), nil)
			if i < 3 {
				require.Equal(t, http.StatusCreated, a.status)
				continue
			}
			refused(t, a, acme.RateLimited, http.StatusTooManyRequests)
		}
	})
}

func TestOrders_AreListedInPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		const all = 53
		for i := range all {
			a := r.post(t, "/new-order", fmt.Sprintf(`{"identifiers":[{"type":"dns","value":"a%d.example.com"}]}`, i), nil)
			require.Equal(t, http.StatusCreated, a.status)
		}
		seen := map[string]bool{}
		for url, pages := r.kid+"/orders", 0; url != ""; pages++ {
			require.Less(t, pages, 3)
			page := r.postURL(t, url, "", nil)
			require.Equal(t, http.StatusOK, page.status, "%s", page.body)
			for _, order := range page.list(t, "orders") {
				assert.False(t, seen[order])
				seen[order] = true
			}
			url = ""
			for _, link := range page.header.Values("Link") {
				if rest, ok := strings.CutSuffix(link, `>;rel="next"`); ok {
					url = strings.TrimPrefix(rest, "<")
				}
			}
		}
		assert.Len(t, seen, all)
		refused(t, r.postURL(t, r.kid+"/orders?cursor=x", "", nil), acme.Malformed, http.StatusBadRequest)
		refused(t, r.postURL(t, r.kid+"/orders", "{}", nil), acme.Malformed, http.StatusBadRequest)
	})
}
