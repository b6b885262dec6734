package auth_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func hashes(t *testing.T) *secrethash.Registry {
	t.Helper()
	registry, err := secrethash.New(secrethash.Config{Peppers: map[int][]byte{3: bytes.Repeat([]byte{7}, secrethash.MinPepper)}})
	require.NoError(t, err)
	return registry
}

func newFile(t *testing.T, tenants ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "realm.yaml")
	require.NoError(t, auth.CreateFile(file, tenants...))
	return file
}

func add(t *testing.T, file string, ask auth.NewEntry) credential.Credential {
	t.Helper()
	made, err := auth.Add(file, hashes(t), ask)
	require.NoError(t, err)
	return made
}

func open(t *testing.T, file string, log io.Writer, now func() time.Time) *auth.FileRealm {
	t.Helper()
	realm, err := auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: slog.New(slog.NewTextHandler(log, nil)), Now: now})
	require.NoError(t, err)
	return realm
}

func bearer(t *testing.T, text string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/service/api/v1/self", nil)
	r.Header.Set("Authorization", "Bearer "+text)
	return r
}

func basic(t *testing.T, user, password string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/service/api/v1/self", nil)
	r.SetBasicAuth(user, password)
	return r
}

// refused wants the one answer that every bad credential gets, and no secret in the text for the log.
func refused(t *testing.T, realm *auth.FileRealm, r *http.Request, why string) {
	t.Helper()
	principal, err := realm.Authenticate(t.Context(), r)
	require.Error(t, err, why)
	assert.Nil(t, principal)
	var coded interface {
		ErrorCode() string
		ErrorDetail() string
	}
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, "unauthenticated", coded.ErrorCode(), why)
	assert.Equal(t, "present an API token (Bearer) or client credentials (Basic) that are known and in force", coded.ErrorDetail(), why)
	if _, secret, long := strings.Cut(r.Header.Get("Authorization"), "cu_"); long && len(secret) > 43 {
		assert.NotContains(t, err.Error(), secret[len(secret)-43:], why)
	}
}

func TestAuthenticate_KnowsTokensAndClients(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default", "other")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	token := add(t, file, auth.NewEntry{
		Kind: credential.APIToken, Tenant: "other", ID: "ci", Name: "Build: \"main\" #1", Scopes: []string{"kms:encrypt", "kms:read"}, ExpiresAt: expires,
	})
	client := add(t, file, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "billing", Scopes: []string{"kms:admin"}})
	realm := open(t, file, io.Discard, time.Now)

	principal, err := realm.Authenticate(t.Context(), bearer(t, token.Text()))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), principal.AuthenticatedAt, time.Minute)
	assert.NotEmpty(t, principal.Credential)
	principal.AuthenticatedAt, principal.Credential = time.Time{}, ""
	assert.Equal(t, &server.Principal{
		Tenant: "other", Realm: "file", Kind: server.KindAPIToken, ID: "ci", Name: "Build: \"main\" #1",
		Scopes: []string{"kms:encrypt", "kms:read"}, ExpiresAt: expires, Methods: []string{"token"},
	}, principal)
	principal, err = realm.Authenticate(t.Context(), basic(t, "billing", client.Text()))
	require.NoError(t, err)
	assert.Equal(t, "default", principal.Tenant)
	assert.Equal(t, server.KindClient, principal.Kind)
}

func TestAuthenticate_RefusesEverythingElseAlike(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default", "other")
	token := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci"})
	client := add(t, file, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "billing"})
	forge := func(kind credential.Kind, tenant, id string) string {
		made, err := credential.Generate(kind, tenant, id)
		require.NoError(t, err)
		return made.Text()
	}
	realm := open(t, file, io.Discard, time.Now)
	for why, r := range map[string]*http.Request{
		"a wrong secret":             bearer(t, forge(credential.APIToken, "default", "ci")),
		"another tenant":             bearer(t, strings.Replace(token.Text(), "_default_", "_other_", 1)),
		"an unknown id":              bearer(t, forge(credential.APIToken, "default", "nobody")),
		"an unknown tenant":          bearer(t, forge(credential.APIToken, "nowhere", "ci")),
		"a mistyped token":           bearer(t, token.Text()[:len(token.Text())-1]+"x"),
		"a cut token":                bearer(t, token.Text()[:len(token.Text())-8]),
		"an empty token":             bearer(t, ""),
		"a client secret as token":   bearer(t, client.Text()),
		"a token as client secret":   basic(t, "ci", token.Text()),
		"another client's user name": basic(t, "payroll", client.Text()),
		"no user name":               basic(t, "", client.Text()),
		"a wrong client secret":      basic(t, "billing", forge(credential.ClientSecret, "default", "billing")),
		"a session":                  bearer(t, forge(credential.SessionToken, "default", "ci")),
		"no password":                basic(t, "billing", ""),
	} {
		refused(t, realm, r, why)
	}
	none := bearer(t, "")
	none.Header.Del("Authorization")
	refused(t, realm, none, "no credential")
	for _, header := range []string{"", "Bearer", "Digest x", token.Text(), "Basic !!!", "Negotiate " + token.Text()} {
		r := bearer(t, "")
		r.Header.Set("Authorization", header)
		refused(t, realm, r, header)
	}
	twice := bearer(t, token.Text())
	twice.Header.Add("Authorization", "Bearer "+token.Text())
	refused(t, realm, twice, "two headers")
}

func TestAuthenticate_DisabledExpiredAndSuspendedAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	file := newFile(t, "default", "frozen")
	disabled := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "disabled"})
	expired := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "expired", ExpiresAt: now})
	suspended := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "frozen", ID: "ci"})
	realm := open(t, file, io.Discard, func() time.Time { return now })
	refused(t, realm, bearer(t, expired.Text()), "expired")
	for _, made := range []credential.Credential{disabled, suspended} {
		_, err := realm.Authenticate(t.Context(), bearer(t, made.Text()))
		require.NoError(t, err)
	}

	content, err := os.ReadFile(file)
	require.NoError(t, err)
	text := strings.Replace(string(content), "- id: frozen", "- id: frozen\n    status: suspended", 1)
	text = strings.Replace(text, "id: disabled", "id: disabled\n    disabled: true", 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, realm.Reload())
	refused(t, realm, bearer(t, disabled.Text()), "disabled")
	refused(t, realm, bearer(t, suspended.Text()), "suspended tenant")
}

func TestRun_TakesOverChangesAndSurvivesABadFile(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	first := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "first"})
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		realm := open(t, file, &log, time.Now)
		done := make(chan struct{})
		ctx := t.Context()
		go func() {
			defer close(done)
			realm.Run(ctx)
		}()
		known := func(made credential.Credential) bool {
			_, err := realm.Authenticate(ctx, bearer(t, made.Text()))
			return err == nil
		}
		require.True(t, known(first))

		second := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "second"})
		require.NoError(t, auth.Remove(file, hashes(t), credential.APIToken, "default", "first"))
		<-time.After(time.Second / 2) // the bubble's clock; the rest of the second is for reading the file
		synctest.Wait()
		assert.True(t, known(second), "added within a second")
		assert.False(t, known(first), "removed within a second")

		good, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, []byte("clients: [{id: x, secret: y}]\n"), 0o600))
		<-time.After(3 * time.Second)
		synctest.Wait()
		assert.True(t, known(second), "a bad file changes nothing")
		require.Error(t, realm.Reload(), "and stays bad")
		require.NoError(t, os.Remove(file))
		<-time.After(3 * time.Second)
		synctest.Wait()
		assert.True(t, known(second), "a missing file changes nothing")
		assert.Equal(t, 2, strings.Count(log.String(), "realm not reloaded"), "each fault is logged once")
		require.NoError(t, os.WriteFile(file, good, 0o600))
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.True(t, known(second))

		require.NoError(t, os.WriteFile(file, []byte("tenants: [{id: default}]\n"), 0o600))
		require.NoError(t, os.Chmod(file, 0o666))
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.True(t, known(second), "others can write the file")
		require.NoError(t, os.Chmod(file, 0o600))
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.False(t, known(second), "the same content, now that it can be trusted")
	})
}

func TestOpenFileRealm_SaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "realm.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
tenants: [{id: default}, {id: default}, {id: Bad_Tenant, status: asleep}]
clients:
  - {id: a, tenant: default, secret_hash: plain, scopes: [kms]}
  - {id: A!, tenant: nowhere, secret_hash: plain}
`), 0o600))
	_, err := auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	for _, want := range []string{
		"tenants[1].id", "tenants[2].id", "tenants[2].status", "clients[0].secret_hash", "clients[0].scopes", "clients[1].id", "clients[1].tenant",
	} {
		assert.ErrorContains(t, err, want)
	}
	require.NoError(t, os.WriteFile(file, []byte("tenants: []\nclient: []\n"), 0o600))
	_, err = auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	assert.ErrorContains(t, err, "client")
}

func TestAdd_KeepsCommentsAndRefusesDuplicates(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(content, "# the end\n"...), 0o600))
	made := add(t, file, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "a"})
	add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "a"}) // another kind is another entry
	_, err = auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "a"})
	require.ErrorIs(t, err, auth.ErrExists)
	_, err = auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.ClientSecret, Tenant: "nowhere", ID: "b"})
	require.ErrorIs(t, err, auth.ErrAbsent)
	_, err = auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.SessionToken, Tenant: "default", ID: "b"})
	require.Error(t, err)
	_, err = auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "b", Scopes: []string{"x]\nclients: ["}})
	require.Error(t, err, "a scope cannot carry YAML")
	require.ErrorIs(t, auth.Remove(file, hashes(t), credential.APIToken, "default", "b"), auth.ErrAbsent)
	require.ErrorIs(t, auth.CreateFile(file, "default"), auth.ErrExists)

	content, err = os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(content), "# the end")
	assert.Contains(t, string(content), "# Who may call this service")
	assert.NotContains(t, string(content), made.Text(), "only the hash is kept")
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAdd_AnotherEditUnderWayIsNamed(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	require.NoError(t, os.WriteFile(file+".new", nil, 0o600))
	_, err := auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "a"})
	require.ErrorIs(t, err, auth.ErrBusy)
	require.ErrorContains(t, err, "remove "+file+".new")
	assert.FileExists(t, file+".new", "the other edit's file stays")
}
