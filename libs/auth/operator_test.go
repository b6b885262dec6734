package auth_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const password = "correct horse battery staple"

// fastPasswords is a registry in place of the one of passwords, whose work is what makes it one.
func fastPasswords(t testing.TB) *secrethash.Registry {
	t.Helper()
	set, err := secrethash.Open(secrethash.Config{Peppers: map[int][]byte{3: bytes.Repeat([]byte{7}, secrethash.MinPepper)}})
	require.NoError(t, err)
	return set.Registry(secrethash.HighEntropyRandom)
}

// withUsers is a realm of one tenant with these users and whatever more the text lists.
func withUsers(t *testing.T, text string, now func() time.Time) *auth.FileRealm {
	t.Helper()
	file := newFile(t, "default", "other")
	hash, err := fastPasswords(t).Hash(t.Context(), auth.PreparePassword(password))
	require.NoError(t, err)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	content = append(content, strings.ReplaceAll(text, "HASH", `"`+hash+`"`)...)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return openWithUsers(t, file, now)
}

func openWithUsers(t *testing.T, file string, now func() time.Time) *auth.FileRealm {
	t.Helper()
	realm, err := auth.OpenFileRealm(auth.FileRealmConfig{
		File: file, Hashes: hashes(t), Passwords: fastPasswords(t), Roles: auth.BuiltInRoles("kms", []string{"kms:write"}, []string{"kms:encrypt"}),
		Log: discard(), Now: now,
	})
	require.NoError(t, err)
	return realm
}

const users = `users:
  - {id: ada, tenant: default, email: ada@example.org, password_hash: HASH, roles: [admin], operator: true}
  - {id: bob, tenant: default, password_hash: HASH, roles: [operator], scopes: ["kms:sign"]}
  - {id: old, tenant: default, password_hash: HASH, operator: true, disabled: true}
  - {id: ada, tenant: other, password_hash: HASH}
`

func code(err error) string {
	if coded, ok := err.(problem.Coded); ok { //nolint:errorlint // as it is returned
		return coded.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestOperator_EntersWithPasswordOrProgramCredential(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	realm := withUsers(t, users, clock)
	operators := auth.NewOperators(realm, fastPasswords(t), clock)
	for _, login := range []string{"ada", "ADA"} {
		p, err := operators.Operator(t.Context(), basic(t, login, password))
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:admin"}, p.Scopes)
		assert.Equal(t, []string{"admin"}, p.Roles)
		assert.Equal(t, []string{"pwd"}, p.Methods)
		assert.Equal(t, "default", p.Tenant)
		assert.Equal(t, now, p.AuthenticatedAt)
	}
	for why, r := range map[string]*http.Request{
		"a wrong password": basic(t, "ada", password+"x"), "no operator": basic(t, "bob", password), "disabled": basic(t, "old", password),
		"nobody": basic(t, "eve", password), "no password": basic(t, "ada", ""),
	} {
		fresh := auth.NewOperators(realm, fastPasswords(t), clock)
		_, err := fresh.Operator(t.Context(), r)
		assert.Equal(t, "unauthenticated", code(err), why)
	}

	file := newFile(t, "default")
	token := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "probe", Scopes: []string{"kms:admin"}})
	plain := openWithUsers(t, file, clock)
	_, err := auth.NewOperators(plain, fastPasswords(t), clock).Operator(t.Context(), bearer(t, token.Text()))
	assert.Equal(t, "unauthenticated", code(err), "the right token of no operator, whatever its scopes")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(content), "id: probe", "id: probe\n    operator: true", 1)), 0o600))
	p, err := auth.NewOperators(openWithUsers(t, file, clock), fastPasswords(t), clock).Operator(t.Context(), bearer(t, token.Text()))
	require.NoError(t, err)
	assert.Equal(t, "probe", p.ID)
}

func TestOperator_AttemptsShareATightLimit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	operators := auth.NewOperators(withUsers(t, users, clock), fastPasswords(t), clock)
	for range 100 { // successes use nothing up
		_, err := operators.Operator(t.Context(), basic(t, "ada", password))
		require.NoError(t, err)
	}
	for range 5 {
		_, err := operators.Operator(t.Context(), basic(t, "ada", "wrong password"))
		assert.Equal(t, "unauthenticated", code(err))
	}
	_, err := operators.Operator(t.Context(), basic(t, "ada", password))
	assert.Equal(t, "rate_limited", code(err), "even the right one waits")
	now = now.Add(2 * time.Second)
	_, err = operators.Operator(t.Context(), basic(t, "ada", password))
	require.NoError(t, err)
}

func TestFileRealm_UsersAreChecked(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(content, `users:
  - {id: ada, tenant: default, password_hash: plain, roles: [emperor]}
  - {id: bob, tenant: default, email: ADA, password_hash: "{3}:x"}
`...), 0o600))
	_, err = auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Passwords: fastPasswords(t), Log: discard(), Now: time.Now})
	for _, want := range []string{"users[0].password_hash", `no role "emperor"`, "another user of the tenant logs in", "users[1].password_hash"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: discard(), Now: time.Now})
	assert.ErrorContains(t, err, "takes no passwords")
}

// steps records what a login does, in order, but for what it is done with.
type steps struct {
	realm auth.Realm
	said  []string
}

func (s *steps) Name() string { return "other" }
func (s *steps) Account(ctx context.Context, kind, tenant, id string) (*auth.Account, error) {
	return s.realm.Account(ctx, kind, tenant, id)
}

func (s *steps) Role(ctx context.Context, tenant, id string) (*auth.Role, error) {
	return s.realm.Role(ctx, tenant, id)
}

func (s *steps) Login(context.Context, string, string) (*auth.Account, error) {
	s.said = append(s.said, "look in the second realm")
	return nil, auth.ErrUnknown
}

func (s *steps) Allow(_ context.Context, key string, rate server.Rate, cost int) (server.Verdict, error) {
	s.said = append(s.said, fmt.Sprint("limit ", strings.SplitN(key, "/", 3)[1], rate, cost))
	return server.Verdict{Allowed: true}, nil
}

func (s *steps) SetPassword(context.Context, string, string, string, string) (bool, error) {
	return false, nil
}

func (s *steps) KnownOrigin(context.Context, string, string, netip.Addr) (bool, error) {
	s.said = append(s.said, "look for the origin")
	return false, nil
}

func (s *steps) AddOrigin(context.Context, string, string, netip.Addr) error { return nil }

// An unknown user takes every step that a known one with a wrong password takes, so that neither answers nor time tell them apart.
func TestPassword_AnUnknownUserTakesTheSameSteps(t *testing.T) {
	t.Parallel()
	realm := withUsers(t, users, time.Now)
	var seen [][]string
	for _, login := range []string{"ada", "bob", "old", "nobody", "ADA@example.org"} {
		s := &steps{realm: realm}
		gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm, second{s}}, Secrets: hashes(t), Log: discard(), Now: time.Now})
		require.NoError(t, err)
		passwords, err := auth.NewPasswords(auth.PasswordsConfig{Gate: gate, Hashes: fastPasswords(t), Limiter: s, Store: s})
		require.NoError(t, err)
		_, err = passwords.Password(t.Context(), "default", login, "not the password of anybody", netip.MustParseAddr("192.0.2.1"))
		assert.Equal(t, "unauthenticated", code(err))
		seen = append(seen, s.said)
	}
	for _, said := range seen {
		assert.Equal(t, seen[0], said)
		assert.Len(t, said, 5)
	}
}

// second is a realm of steps.
type second struct{ *steps }

func (second) Certificate(context.Context, *x509.Certificate) ([]auth.ClientRef, error) {
	return nil, auth.ErrUnknown
}

func TestGate_UsersOfTheFileEnterByTheAdminListenerOnlyInAFederation(t *testing.T) {
	t.Parallel()
	realm := withUsers(t, users, time.Now)
	for _, federated := range []bool{false, true} {
		s := &steps{realm: realm}
		gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: hashes(t), Log: discard(), Now: time.Now, UsersByAdminOnly: federated})
		require.NoError(t, err)
		passwords, err := auth.NewPasswords(auth.PasswordsConfig{Gate: gate, Hashes: fastPasswords(t), Limiter: s})
		require.NoError(t, err)
		p, err := passwords.Password(t.Context(), "default", "bob", password, netip.Addr{})
		if federated {
			assert.Equal(t, "unauthenticated", code(err))
			_, err = gate.Principal(t.Context(), "default", "file", server.KindUser, "bob")
			assert.Equal(t, "unauthenticated", code(err), "nor go sessions of theirs on")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read", "kms:sign", "kms:write"}, p.Scopes)
		assert.Equal(t, "invalid_state", code(passwords.ChangePassword(t.Context(), "default", "bob", password, "an altogether different one")))
	}
	operators := auth.NewOperators(realm, fastPasswords(t), time.Now)
	_, err := operators.Operator(t.Context(), basic(t, "ada", password))
	require.NoError(t, err)
}

// The first realm that knows the account decides, also by refusing.
func TestGate_TheFirstRealmThatKnowsTheAccountDecides(t *testing.T) {
	t.Parallel()
	one, two := newFile(t, "default"), newFile(t, "default")
	ask := auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci", Scopes: []string{"kms:read"}}
	first, other := add(t, one, ask), add(t, two, ask)
	only := add(t, two, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "only", Scopes: []string{"kms:read"}})
	a, b := open(t, one, io.Discard, time.Now), open(t, two, io.Discard, time.Now)
	gate, err := auth.New(auth.Config{Realms: []auth.Realm{a, b}, Secrets: hashes(t), Log: discard(), Now: time.Now})
	require.NoError(t, err)
	for range 2 { // also once it is remembered
		_, err = gate.Authenticate(t.Context(), bearer(t, first.Text()))
		require.NoError(t, err)
		_, err = gate.Authenticate(t.Context(), bearer(t, other.Text()))
		assert.Equal(t, "unauthenticated", code(err))
		_, err = gate.Authenticate(t.Context(), bearer(t, only.Text()))
		require.NoError(t, err)
	}
	add(t, one, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "only"})
	require.NoError(t, a.Reload())
	_, err = gate.Authenticate(t.Context(), bearer(t, only.Text()))
	assert.Equal(t, "unauthenticated", code(err), "a realm before it knows the account by now")
}

func TestGate_AsksTheBearerThatRecognizesTheToken(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	gate, err := auth.New(auth.Config{
		Realms: []auth.Realm{open(t, file, io.Discard, time.Now)}, Bearers: []auth.Bearer{prefixed("a."), prefixed("b.")}, Secrets: hashes(t), Log: discard(), Now: time.Now,
	})
	require.NoError(t, err)
	for token, want := range map[string]string{"a.x": "a.", "b.x": "b."} {
		for _, scheme := range []string{"Bearer ", "bearer   ", "DPoP "} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set("Authorization", scheme+token)
			p, err := gate.Authenticate(t.Context(), r)
			require.NoError(t, err, scheme)
			assert.Equal(t, want, p.ID)
		}
	}
	_, err = gate.Authenticate(t.Context(), bearer(t, "c.x"))
	assert.Equal(t, "unauthenticated", code(err))
}

// prefixed is a Bearer for tokens that begin so.
type prefixed string

func (p prefixed) Recognizes(token string) bool { return strings.HasPrefix(token, string(p)) }
func (p prefixed) Authenticate(context.Context, *http.Request, string) (*server.Principal, error) {
	return &server.Principal{ID: string(p)}, nil
}
