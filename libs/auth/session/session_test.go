package session_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func TestCreate_EveryFormatFindsItsSession(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			m := f.manager(t, ofFormat(format))
			issued := f.begin(t, m, alice, session.ClientBrowser)
			assert.Equal(t, format, issued.Format)

			p, err := m.byCookie(t, issued)
			require.NoError(t, err, format)
			assert.Equal(t, alice.ID, p.ID)
			assert.Equal(t, alice.Scopes, p.Scopes)
			assert.Equal(t, alice.Roles, p.Roles)
			assert.Equal(t, []string{"pwd"}, p.Methods)
			assert.Equal(t, issued.Principal.SessionID, p.SessionID)
			assert.WithinDuration(t, f.clock.Now(), p.AuthenticatedAt, time.Second)
			assert.WithinDuration(t, f.clock.Now().Add(12*time.Hour), p.ExpiresAt, time.Second)
			assert.False(t, p.Confirmed)

			program := f.begin(t, m, billing, session.ClientService)
			p, err = m.byBearer(t, program.Token)
			require.NoError(t, err, format)
			assert.Equal(t, billing.ID, p.ID)

			again := f.manager(t, ofFormat(format)) // another replica, or the same after a restart
			_, err = again.byBearer(t, program.Token)
			require.NoError(t, err, format)
		}
	})
}

func TestFind_ATypeOfClientDoesNotPassForTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		browser := f.begin(t, m, alice, session.ClientBrowser)
		_, err := m.byBearer(t, browser.Token)
		assert.Equal(t, "wrong_client_type", code(err))
		program := f.begin(t, m, billing, session.ClientService)
		_, err = m.byCookie(t, program)
		assert.Equal(t, "wrong_client_type", code(err))
	})
}

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

func TestFind_SessionsEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		idle := f.begin(t, m, alice, session.ClientBrowser)
		_, err := m.byCookie(t, idle)
		require.NoError(t, err)
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, idle)
		require.NoError(t, err, "the last use counts")
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, idle)
		require.NoError(t, err)
		f.clock.add(30 * time.Minute)
		_, err = m.byCookie(t, idle)
		assert.Equal(t, "session_required", code(err), "idle")

		absolute := f.begin(t, m, alice, session.ClientBrowser)
		for range 35 { // 11 h 40
			f.clock.add(20 * time.Minute)
			_, err = m.byCookie(t, absolute)
			require.NoError(t, err)
		}
		f.clock.add(20*time.Minute - time.Second)
		_, err = m.byCookie(t, absolute)
		require.NoError(t, err)
		f.clock.add(2 * time.Second)
		_, err = m.byCookie(t, absolute)
		assert.Equal(t, "session_required", code(err), "used all the time, and over all the same")
	})
}

func TestFind_AUseOnOneReplicaIsKnownToTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		one, two := f.manager(t, nil), f.manager(t, nil)
		issued := f.begin(t, one, alice, session.ClientBrowser)
		_, err := two.byCookie(t, issued)
		require.NoError(t, err)
		f.clock.add(25 * time.Minute)
		_, err = one.byCookie(t, issued)
		require.NoError(t, err)
		require.NoError(t, one.Flush(t.Context()))
		f.clock.add(25 * time.Minute) // two has not seen it for 50 minutes
		_, err = two.byCookie(t, issued)
		require.NoError(t, err)
	})
}

func TestFlush_WritesManyUsesAndNoneOfAnEndedSession(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		var all []session.Issued
		for range 40 {
			all = append(all, f.begin(t, m, billing, session.ClientService))
		}
		f.clock.add(2 * time.Minute)
		for _, one := range all {
			_, err := m.byBearer(t, one.Token)
			require.NoError(t, err)
		}
		require.NoError(t, m.Revoke(t.Context(), "default", all[0].Principal.SessionID, session.ReasonRevoked))
		require.NoError(t, m.Flush(t.Context()))
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 100)
		require.NoError(t, err)
		require.Len(t, list, 39)
		for _, one := range list {
			assert.WithinDuration(t, f.clock.Now(), one.LastUsedAt, time.Second)
		}
	})
}

func TestFind_RightsAreThoseOfNowAndNeverMoreThanAtTheBeginning(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, alice, session.ClientBrowser)
		changed := alice
		changed.Scopes, changed.Roles = []string{"kms:read", "kms:destroy"}, []string{"auditor"}
		f.people.set(changed)
		p, err := m.byCookie(t, issued)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read"}, p.Scopes, "taken away at once, added not")
		assert.Empty(t, p.Roles)

		p.AuthenticatedAt, p.Methods = f.clock.Now(), []string{"pwd"}
		fresh, err := m.Rotate(t.Context(), p, request(t, "/"))
		require.NoError(t, err)
		p, err = m.byCookie(t, fresh)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read", "kms:destroy"}, p.Scopes, "added with a fresh authentication")
		assert.Equal(t, []string{"auditor"}, p.Roles)

		f.people.remove(alice)
		_, err = m.byCookie(t, fresh)
		assert.Equal(t, "session_required", code(err), "the owner is gone")
		f.people.set(alice)
		f.people.fail(errAway)
		_, err = m.byCookie(t, fresh)
		assert.Equal(t, "state_unavailable", code(err), "nobody can tell")
	})
}

type awayError struct{}

func (awayError) Error() string     { return "away" }
func (awayError) ErrorCode() string { return "state_unavailable" }

var errAway = awayError{}

func TestFind_EndsWithTheCredentialOfItsOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		short := billing
		short.ExpiresAt = f.clock.Now().Add(10 * time.Minute)
		f.people.set(short)
		issued := f.begin(t, m, short, session.ClientService)
		assert.Equal(t, short.ExpiresAt, issued.Principal.ExpiresAt)
		f.clock.add(11 * time.Minute)
		_, err := m.byBearer(t, issued.Token)
		assert.Equal(t, "unauthenticated", code(err))
	})
}

func TestCreate_ScopesAreNarrowedAndNeverWidened(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		issued, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{"kms:read"}})
		require.NoError(t, err)
		p, err := m.byBearer(t, issued.Token)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read"}, p.Scopes)
		assert.Empty(t, p.Roles)
		none, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{}})
		require.NoError(t, err)
		p, err = m.byBearer(t, none.Token)
		require.NoError(t, err)
		assert.Empty(t, p.Scopes)
		_, err = m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{"kms:read", "ca:admin"}})
		assert.Equal(t, "insufficient_scope", code(err))
	})
}

func TestCreate_TheSessionUnusedForLongestMakesRoom(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Browser.MaxPerPrincipal = 2 })
		first := f.begin(t, m, alice, session.ClientBrowser)
		second := f.begin(t, m, alice, session.ClientBrowser)
		program := f.begin(t, m, alice, session.ClientService)
		f.clock.add(2 * time.Minute)
		_, err := m.byCookie(t, first)
		require.NoError(t, err)
		require.NoError(t, m.Flush(t.Context()))
		third := f.begin(t, m, alice, session.ClientBrowser)
		_, err = m.byCookie(t, second)
		assert.Equal(t, "session_required", code(err))
		for _, kept := range []session.Issued{first, third} {
			_, err = m.byCookie(t, kept)
			require.NoError(t, err)
		}
		_, err = m.byBearer(t, program.Token)
		require.NoError(t, err, "another type of client has its own number")
	})
}

func TestCreate_ShowsItsOwnerWhereItBegan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		_, err := m.Create(t.Context(), session.Ask{
			Principal: &who, Client: session.ClientBrowser, Request: request(t, "/"), Address: netip.MustParseAddr("::ffff:192.0.2.7"),
		})
		require.NoError(t, err)
		f.begin(t, m, billing, session.ClientService)
		list, err := m.List(t.Context(), "default", session.Filter{Kind: server.KindUser, PrincipalID: alice.ID}, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, "192.0.2.7", list[0].Address)
		assert.Equal(t, "Mozilla/5.0 (X11; Linux x86_64) Test", list[0].UserAgent)
		list, err = m.List(t.Context(), "acme", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Empty(t, list, "another tenant's")
	})
}

func TestCreate_FailsWithItsEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		kept := f.begin(t, m, alice, session.ClientBrowser)
		f.journal.fail(errors.New("the journal is full"))
		who := alice
		_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientBrowser})
		require.Error(t, err)
		require.Error(t, m.Revoke(t.Context(), "default", kept.Principal.SessionID, session.ReasonLogout))
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Len(t, list, 1)
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		assert.Equal(t, []string{"session.begin "}, f.journal.actions())
	})
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
