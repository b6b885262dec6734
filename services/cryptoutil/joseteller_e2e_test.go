//go:build e2e

package cryptoutil_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// joseTeller issues tokens by a profile of its own, and revokes some of them.
type joseTeller struct {
	name    string
	good    map[string]string // tokens by jti
	revoked map[string]string // likewise
	pending string            // the jti whose revocation has no answer
	token   string            // Idempotency-Key
}

func newJOSETeller(t *testing.T, a *api, name string) *joseTeller {
	t.Helper()
	require.NoError(t, asked(t.Context(), a, "keys", map[string]any{"name": name, "algorithm": "ES256"}, nil))
	require.NoError(t, asked(t.Context(), a, "profiles", map[string]any{
		"name": name, "key": name, "issuer": "https://issuer.example", "audience": []string{"api"}, "lifetime_seconds": 24 * 60 * 60, "revocation": true,
	}, nil))
	return &joseTeller{name: name, good: map[string]string{}, revoked: map[string]string{}}
}

// work issues, revokes and rotates until something has no answer.
func (l *joseTeller) work(t *testing.T, a *api, random *rand.Rand) {
	t.Helper()
	l.pending = ""
	for {
		var made struct{ Token, JTI string }
		answer, err := a.do(t.Context(), http.MethodPost, "jwt/issue", map[string]any{"profile": l.name}, &made)
		if !answered(t, answer, err) {
			return
		}
		l.good[made.JTI] = made.Token
		l.token = fmt.Sprintf("%s-%x", l.name, random.Uint64())
		if random.IntN(4) == 0 {
			answer, err = a.do(t.Context(), http.MethodPost, "keys/"+l.name+"/rotate", map[string]any{"immediate": true}, nil, "Idempotency-Key", l.token)
			if !answered(t, answer, err) {
				return
			}
			continue
		}
		all := slices.Sorted(maps.Keys(l.good))
		chosen := all[random.IntN(len(all))]
		if answer, err = l.revoke(t, a, chosen); !answered(t, answer, err) {
			l.pending = chosen
			return
		}
		l.end(chosen)
	}
}

// answered tells whether the service did what was asked. There must be no answer but that.
func answered(t *testing.T, answer reply, err error) bool {
	t.Helper()
	if err != nil || answer.status == http.StatusServiceUnavailable {
		return false
	}
	return assert.Equal(t, 2, answer.status/100, "%s", answer.body)
}

func (l *joseTeller) revoke(t *testing.T, a *api, jti string) (reply, error) {
	t.Helper()
	return a.do(t.Context(), http.MethodPost, "profiles/"+l.name+"/revoke", map[string]any{"jti": jti}, nil, "Idempotency-Key", l.token)
}

func (l *joseTeller) end(jti string) {
	l.revoked[jti] = l.good[jti]
	delete(l.good, jti)
}

// compare checks that what was issued is accepted and what was revoked is not, of up to so many of each; what has no answer is asked for again.
func (l *joseTeller) compare(t *testing.T, a *api, most int) {
	t.Helper()
	if l.pending != "" {
		var first reply
		for n := range 2 {
			answer, err := l.revoke(t, a, l.pending)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
			if n > 0 {
				assert.Equal(t, string(first.body), string(answer.body))
				assert.Equal(t, "true", answer.header.Get("Idempotency-Replayed"))
			}
			first = answer
		}
		l.end(l.pending)
		l.is(t, a, l.revoked[l.pending], http.StatusBadRequest, "token_revoked")
	}
	for n, token := range slices.Collect(maps.Values(l.good)) {
		if n == most {
			break
		}
		l.is(t, a, token, http.StatusOK, "")
	}
	for n, token := range slices.Collect(maps.Values(l.revoked)) {
		if n == most {
			break
		}
		l.is(t, a, token, http.StatusBadRequest, "token_revoked")
	}
}

// is checks what a token is to a verifier.
func (l *joseTeller) is(t *testing.T, a *api, token string, status int, code string) {
	t.Helper()
	answer, err := a.do(t.Context(), http.MethodPost, "jwt/verify", map[string]any{"profile": l.name, "token": token}, nil)
	require.NoError(t, err)
	assert.Equal(t, status, answer.status, "%s", answer.body)
	assert.Equal(t, code, fieldsOf(t, answer).text("code"), "%s", answer.body)
}
