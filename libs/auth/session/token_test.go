package session_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestFind_RefusesWhatIsForged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			m := f.manager(t, ofFormat(format))
			issued := f.begin(t, m, billing, session.ClientService)
			other := f.begin(t, m, billing, session.ClientService)
			require.NotEqual(t, issued.Token, other.Token)
			for name, token := range map[string]string{
				"nothing":        "",
				"cut":            issued.Token[:len(issued.Token)-1],
				"longer":         issued.Token + "A",
				"another tenant": strings.Replace(issued.Token, "_default_", "_acme_", 1) + "x",
				"huge":           strings.Repeat("a", 1<<20),
				"dots":           "....",
				"none":           "eyJhbGciOiJub25lIiwidHlwIjoiY3Utc2Vzc2lvbitqd3QifQ.e30.",
				"spliced":        splice(issued.Token, other.Token),
			} {
				_, err := m.byBearer(t, token)
				assert.Equal(t, "unauthenticated", code(err), "%s %s", format, name)
			}
			for i := 0; i < len(issued.Token); i += 7 { // every part of it
				flipped := issued.Token[:i] + string(flip(issued.Token[i])) + issued.Token[i+1:]
				_, err := m.byBearer(t, flipped)
				assert.Equal(t, "unauthenticated", code(err), "%s character %d", format, i)
			}
			_, err := m.byBearer(t, issued.Token)
			require.NoError(t, err, "and the genuine one is good")
		}
	})
}

// splice takes the end of one token and the beginning of another.
func splice(a, b string) string {
	if at := strings.LastIndexByte(a, '.'); at >= 0 {
		return a[:at] + b[strings.LastIndexByte(b, '.'):]
	}
	return a[:len(a)-49] + b[len(b)-49:]
}

func flip(c byte) byte {
	if c == 'A' {
		return 'B'
	}
	return 'A'
}

func TestFind_AnotherServicesTokenIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.JWS, session.JWE} {
			m := f.manager(t, ofFormat(format))
			ca := f.manager(t, func(cfg *session.Config, deps *session.Deps) {
				ofFormat(format)(cfg, deps)
				deps.Service = "ca"
			})
			token := f.begin(t, ca, billing, session.ClientService).Token
			_, err := m.byBearer(t, token)
			assert.Equal(t, "unauthenticated", code(err), format)
		}
	})
}

func TestToken_IsTypedAndNamesNobodyByName(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, ofFormat(session.JWS))
		token := f.begin(t, m, alice, session.ClientBrowser).Token
		parts := strings.Split(token, ".")
		require.Len(t, parts, 3)
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		require.NoError(t, err)
		assert.Contains(t, string(header), `"typ":"cu-session+jwt"`)
		assert.Contains(t, string(header), `"alg":"Ed25519"`)
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		assert.Contains(t, string(payload), `"iss":"kms","aud":"kms"`)
		assert.NotContains(t, string(payload), "Alice")
		assert.NotContains(t, string(payload), "scope")
	})
}

func TestIssued_HidesItsToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		issued := f.begin(t, f.manager(t, nil), alice, session.ClientBrowser)
		for _, text := range []string{fmt.Sprint(issued), fmt.Sprintf("%+v %#v %s %q", issued, issued, issued, issued), issued.LogValue().String()} {
			assert.NotContains(t, text, issued.Token[len(issued.Token)-20:])
		}
		assert.Empty(t, f.rowsWith(t, issued.Token[len(issued.Token)-49:]), "the token stands in no row")
	})
}

// rowsWith lists the sessions whose row holds the text.
func (f fixture) rowsWith(t *testing.T, text string) []string {
	t.Helper()
	rows, err := f.db.Query(database.WithTenant(t.Context(), database.AllTenants), "SELECT id FROM sessions WHERE secret_hash LIKE $1 OR name LIKE $1 OR id LIKE $1", "%"+text+"%")
	require.NoError(t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		out = append(out, id)
	}
	require.NoError(t, rows.Err())
	return out
}

func TestCookie_HasWhatKeepsItSafe(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, bob, session.ClientBrowser)
		assert.Regexp(t, `^__Host-cu-kms-acme=cu_st_acme_[^;]+; Path=/; HttpOnly; Secure; SameSite=Lax$`, m.Cookie(issued).String())
		assert.Equal(t, "__Host-cu-kms-acme=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax", m.ClearCookie("acme").String())
		strict := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.SameSite = "strict" })
		assert.Equal(t, http.SameSiteStrictMode, strict.Cookie(issued).SameSite)
	})
}

func TestSession_PicksTheCookieOfItsTenant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		forAlice, forBob := f.begin(t, m, alice, session.ClientBrowser), f.begin(t, m, bob, session.ClientBrowser)
		for _, c := range []struct {
			name   string
			r      *http.Request
			expect string
		}{
			{"only the default tenant's", withCookie(t, m, "/browser/api/v1/self", forAlice), alice.ID},
			{"only another's", withCookie(t, m, "/browser/api/v1/self", forBob), bob.ID},
			{"both", withCookie(t, m, "/browser/api/v1/self", forBob, forAlice), alice.ID},
			{"the path names a tenant without one", withCookie(t, m, "/t/default/browser/account", forBob), ""},
			{"twice", withCookie(t, m, "/browser/api/v1/self", forAlice, forAlice), ""},
			{"none", request(t, "/browser/api/v1/self"), ""},
		} {
			p, err := m.Session(t.Context(), c.r)
			if c.expect == "" {
				assert.Equal(t, "session_required", code(err), c.name)
				continue
			}
			require.NoError(t, err, c.name)
			assert.Equal(t, c.expect, p.ID, c.name)
		}
		r := request(t, "/browser/api/v1/self")
		r.AddCookie(&http.Cookie{Name: m.CookieName("default"), Value: forBob.Token})
		_, err := m.Session(t.Context(), r)
		assert.Equal(t, "session_required", code(err), "in the cookie of another tenant")
	})
}

func TestFind_ASessionBoundToACertificateNeedsIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		with := func(certificate string) *http.Request {
			r := request(t, "/service/api/v1/self")
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(certificate)}}}
			return r
		}
		who := billing
		who.Confirmed, who.AuthenticatedAt = true, f.clock.Now()
		issued, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Request: with("mine")})
		require.NoError(t, err)
		p, err := m.Authenticate(t.Context(), with("mine"), issued.Token)
		require.NoError(t, err)
		assert.True(t, p.Confirmed)
		for _, r := range []*http.Request{with("stolen"), request(t, "/")} {
			_, err = m.Authenticate(t.Context(), r, issued.Token)
			assert.Equal(t, "unauthenticated", code(err))
		}
		who.Confirmed = false
		free, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Request: with("mine")})
		require.NoError(t, err)
		p, err = m.Authenticate(t.Context(), with("mine"), free.Token)
		require.NoError(t, err)
		assert.False(t, p.Confirmed, "a certificate that nobody looked at confirms nothing")
	})
}
