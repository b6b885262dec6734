package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	goodPassword  = "correct horse battery staple"
	otherPassword = "an altogether different phrase"
)

// exactLimiter is ratelimit's as the server knows limiters.
type exactLimiter struct{ *ratelimit.Limiter }

func (l exactLimiter) Allow(ctx context.Context, key string, rate server.Rate, cost int) (server.Verdict, error) {
	verdict, err := l.Limiter.Allow(ctx, key, ratelimit.Rate(rate), cost)
	return server.Verdict(verdict), err
}

func (r *replica) passwords(t *testing.T) *auth.Passwords {
	t.Helper()
	limiter, err := ratelimit.New(ratelimit.Config{DB: r.c.db, Keys: r.barrier, Now: time.Now})
	require.NoError(t, err)
	p, err := auth.NewPasswords(auth.PasswordsConfig{
		Gate: r.gate, Hashes: r.hashes.Registry(fastPasswords), Limiter: exactLimiter{limiter}, Store: r.dir,
	})
	require.NoError(t, err)
	return p
}

func codeOf(err error) string {
	var coded problem.Coded
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	if err != nil {
		return "uncoded: " + err.Error()
	}
	return ""
}

func (r *replica) newUser(tenant, login, password string) string {
	return r.call(root(tenant), http.MethodPost, "/users", `{"login":"`+login+`","password":"`+password+`"}`).ok(http.StatusCreated).member("id")
}

func TestPassword_LogsInByNameAndEMailInItsTenantOnly(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		r := c.replicas[0]
		id := r.newUser("acme", "ada", goodPassword)
		passwords, home := r.passwords(t), netip.MustParseAddr("192.0.2.1")
		tag := r.call(root("acme"), http.MethodGet, "/users/"+id, "").Header.Get("Etag")
		r.call(root("acme"), http.MethodPatch, "/users/"+id, `{"email":"ada@example.org"}`, "If-Match", tag).ok(http.StatusOK)
		for _, login := range []string{"ada", " ADA", "Ada@Example.org"} {
			p, err := passwords.Password(t.Context(), "acme", login, goodPassword, home)
			require.NoError(t, err, login)
			assert.Equal(t, id, p.ID)
			assert.Equal(t, []string{"pwd"}, p.Methods)
			assert.WithinDuration(t, time.Now(), p.AuthenticatedAt, time.Minute)
			assert.False(t, p.Confirmed)
		}
		for why, try := range map[string][3]string{
			"a wrong password": {"acme", "ada", otherPassword}, "no password": {"acme", "ada", ""}, "nobody": {"acme", "eve", goodPassword},
			"another tenant": {"other", "ada", goodPassword}, "no such tenant": {"nowhere", "ada", goodPassword}, "an id": {"acme", id, goodPassword},
		} {
			_, err := passwords.Password(t.Context(), try[0], try[1], try[2], home)
			assert.Equal(t, "unauthenticated", codeOf(err), why)
			assert.NotContains(t, err.Error(), try[2]+"x")
		}
		require.NoError(t, passwords.ChangePassword(t.Context(), "acme", id, goodPassword, otherPassword))
		assert.Equal(t, "unauthenticated", codeOf(passwords.ChangePassword(t.Context(), "acme", id, goodPassword, otherPassword+"2")))
		assert.Equal(t, "validation_failed", codeOf(passwords.ChangePassword(t.Context(), "acme", id, otherPassword, "short")))
		assert.Equal(t, "unauthenticated", codeOf(passwords.ChangePassword(t.Context(), "other", id, otherPassword, goodPassword)))
		_, err := passwords.Password(t.Context(), "acme", "ada", goodPassword, home)
		assert.Equal(t, "unauthenticated", codeOf(err), "the old password")
		_, err = passwords.Password(t.Context(), "acme", "ada", otherPassword, home)
		require.NoError(t, err)

		r.call(root("acme"), http.MethodPost, "/users/"+id+"/set-password", `{"password":"`+goodPassword+`"}`).ok(http.StatusNoContent)
		assert.Equal(t, []string{"acme/user/" + id}, c.ended, "its sessions have ended")
		_, err = passwords.Password(t.Context(), "acme", "ada", goodPassword, home)
		require.NoError(t, err)
		tag = r.call(root("acme"), http.MethodGet, "/users/"+id, "").Header.Get("Etag")
		r.call(root("acme"), http.MethodPatch, "/users/"+id, `{"disabled":true}`, "If-Match", tag).ok(http.StatusOK)
		_, err = passwords.Password(t.Context(), "acme", "ada", goodPassword, home)
		assert.Equal(t, "unauthenticated", codeOf(err), "disabled")
	})
}

// Guessing from one address ends; guessing from everywhere ends too, but does not lock out who has logged in from home before.
func TestPassword_GuessingIsBoundedAndLocksNobodyOut(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0].passwords(t), c.replicas[1].passwords(t)
		c.replicas[0].newUser("acme", "ada", goodPassword)
		home := netip.MustParseAddr("2001:db8:1::5")
		within(t, "the other replica knows the user", func() bool {
			_, err := b.Password(t.Context(), "acme", "ada", goodPassword, home)
			return err == nil
		})
		attacker := netip.MustParseAddr("198.51.100.7")
		admitted := 0
		for i := range 15 { // over both replicas, for a user and for nobody alike
			replica := []*auth.Passwords{a, b}[i%2]
			_, err := replica.Password(t.Context(), "acme", "nobody", otherPassword, attacker)
			if codeOf(err) == "unauthenticated" {
				admitted++
				continue
			}
			assert.Equal(t, "rate_limited", codeOf(err))
			var wait interface{ RetryAfter() time.Duration }
			require.ErrorAs(t, err, &wait)
			assert.Positive(t, wait.RetryAfter())
		}
		assert.Equal(t, 10, admitted)

		// Use the account's own bound up, as guessing from very many addresses does.
		limiter, err := ratelimit.New(ratelimit.Config{DB: c.db, Keys: c.replicas[0].barrier, Now: time.Now})
		require.NoError(t, err)
		verdict, err := limiter.Allow(t.Context(), "login/account/acme/ada", ratelimit.Rate{Limit: 20, Per: time.Hour, Burst: 50}, 49)
		require.NoError(t, err)
		require.True(t, verdict.Allowed, "one try from home was counted")
		_, err = a.Password(t.Context(), "acme", "ada", goodPassword, netip.MustParseAddr("203.0.113.9"))
		assert.Equal(t, "rate_limited", codeOf(err), "from an unknown address")
		_, err = a.Password(t.Context(), "acme", "ada", goodPassword, home)
		require.NoError(t, err, "from home")
		_, err = b.Password(t.Context(), "acme", "ada", goodPassword, netip.MustParseAddr("2001:db8:1::ffff"))
		require.NoError(t, err, "from home's network")
	})
}

// A hash of an older policy is replaced at the next login, and nobody notices.
func TestPassword_OldHashesAreReplacedAtLogin(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		r := c.replicas[0]
		id := r.newUser("acme", "ada", goodPassword)
		peppers := map[int][]byte{1: make([]byte, secrethash.MinPepper), 3: []byte("77777777777777777777777777777777")}
		set, err := secrethash.Open(secrethash.Config{Peppers: peppers, Concurrency: 2})
		require.NoError(t, err)
		registry := set.Registry(fastPasswords)
		old, err := registry.HashWithVersion(t.Context(), 1, auth.PreparePassword(goodPassword))
		require.NoError(t, err)
		_, err = c.db.Exec(bound(t, "acme"), "UPDATE auth_users SET password_hash = $3 WHERE tenant_id = $1 AND id = $2", "acme", id, old)
		require.NoError(t, err)
		limiter, err := ratelimit.New(ratelimit.Config{DB: c.db, Keys: r.barrier, Now: time.Now})
		require.NoError(t, err)
		passwords, err := auth.NewPasswords(auth.PasswordsConfig{Gate: r.gate, Hashes: registry, Limiter: exactLimiter{limiter}, Store: r.dir})
		require.NoError(t, err)
		read := func() (hash string) {
			require.NoError(t, c.db.QueryRow(bound(t, "acme"), "SELECT password_hash FROM auth_users WHERE tenant_id = $1 AND id = $2", "acme", id).Scan(&hash))
			return hash
		}
		_, err = passwords.Password(t.Context(), "acme", "ada", otherPassword, netip.MustParseAddr("192.0.2.1"))
		assert.Equal(t, "unauthenticated", codeOf(err))
		assert.Equal(t, old, read(), "a wrong password replaces nothing")
		_, err = passwords.Password(t.Context(), "acme", "ada", goodPassword, netip.MustParseAddr("192.0.2.1"))
		require.NoError(t, err)
		assert.Contains(t, read(), "{3}")
		_, err = passwords.Password(t.Context(), "acme", "ada", goodPassword, netip.MustParseAddr("192.0.2.1"))
		require.NoError(t, err)
	})
}

// While a replica cannot read what others change, it lets nobody in.
func TestGate_WithoutCurrentStateNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		r := c.replicas[0]
		token := "Bearer " + r.call(root("acme"), http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:read"]}`).ok(http.StatusCreated).member("token")
		r.call(token, http.MethodGet, "/things/x", "").ok(http.StatusOK)
		passwords := r.passwords(t)
		r.stop()
		within(t, "unavailable", func() bool { return r.call(token, http.MethodGet, "/things/x", "").code() == "state_unavailable" })
		got := r.call(token, http.MethodGet, "/self", "").ok(http.StatusServiceUnavailable)
		assert.NotEmpty(t, got.Header.Get("Retry-After"))
		_, err := passwords.Password(t.Context(), "acme", "ada", goodPassword, netip.MustParseAddr("192.0.2.1"))
		assert.Equal(t, "state_unavailable", codeOf(err))
		_, err = r.gate.Principal(t.Context(), "acme", directory.RealmName, server.KindUser, "x")
		assert.Equal(t, "state_unavailable", codeOf(err))
	})
}

// Of many at once that want one name, one gets it; of many rotations at once there are two secrets in the end.
func TestConcurrency_OneNameAndTwoSecrets(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		by := &server.Principal{Tenant: "acme", Kind: server.KindUser, ID: "root", Scopes: []string{"t:admin"}}
		const many = 8
		names, logins, rotated := make(chan error, many), make(chan error, many), make(chan error, many)
		made, _, err := c.replicas[0].dir.CreateClient(t.Context(), by, directory.Client{Name: "rotated"}, false)
		require.NoError(t, err)
		for i := range many {
			d := c.replicas[i%2].dir
			go func() {
				_, _, err := d.CreateClient(t.Context(), by, directory.Client{Name: "one"}, false)
				names <- err
			}()
			go func() {
				_, err := d.CreateUser(t.Context(), by, directory.User{Login: "one"}, "")
				logins <- err
			}()
			go func() {
				_, _, _, err := d.RotateSecret(t.Context(), by, made.ID, time.Hour)
				rotated <- err
			}()
		}
		won := map[string]int{}
		for range many {
			won["name "+codeOf(<-names)]++
			won["login "+codeOf(<-logins)]++
			won["rotated "+codeOf(<-rotated)]++
		}
		assert.Equal(t, map[string]int{"name ": 1, "name conflict": many - 1, "login ": 1, "login conflict": many - 1, "rotated ": many}, won)
		var secrets, lasting int64
		require.NoError(t, c.db.QueryRow(database.WithTenant(t.Context(), "acme"),
			"SELECT count(*), coalesce(sum(CASE WHEN expires_at = 0 THEN 1 ELSE 0 END), 0) FROM auth_client_secrets WHERE tenant_id = $1 AND client_id = $2", "acme", made.ID).
			Scan(&secrets, &lasting))
		assert.Equal(t, [2]int64{2, 1}, [2]int64{secrets, lasting})
	})
}
