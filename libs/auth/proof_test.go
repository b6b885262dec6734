package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// edit changes the text of a realm file, and has the realm read it.
func edit(t *testing.T, realm *auth.FileRealm, file string, change func(text string) string) {
	t.Helper()
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	after := change(string(before))
	require.NotEqual(t, string(before), after)
	require.NoError(t, os.WriteFile(file, []byte(after), 0o600))
	require.NoError(t, realm.Reload())
}

// secretLine is the line of the hash in the entry of a file that has one.
func secretLine(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "secret_hash: ") {
			return line
		}
	}
	t.Fatal("there is no hash")
	return ""
}

func TestContinue_EndsWithTheSecret(t *testing.T) {
	t.Parallel()
	for _, kind := range []credential.Kind{credential.ClientSecret, credential.APIToken} {
		file, other := newFile(t, "default"), newFile(t, "default")
		ask := auth.NewEntry{Kind: kind, Tenant: "default", ID: "ci", Scopes: []string{"kms:read"}}
		made := add(t, file, ask)
		add(t, other, ask)
		realm := open(t, file, io.Discard, time.Now)
		gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: hashes(t), Log: discard(), Now: time.Now})
		require.NoError(t, err)
		r := bearer(t, made.Text())
		if kind == credential.ClientSecret {
			r = basic(t, "ci", made.Text())
		}
		var was *server.Principal
		for range 2 { // also once it is remembered
			was, err = gate.Authenticate(t.Context(), r)
			require.NoError(t, err)
			require.NotEmpty(t, was.Credential)
		}
		now, err := gate.Continue(t.Context(), nil, was)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read"}, now.Scopes)

		edit(t, realm, file, func(text string) string { return strings.Replace(text, "kms:read", "kms:write", 1) })
		now, err = gate.Continue(t.Context(), nil, was)
		require.NoError(t, err, "another change of the account")
		assert.Equal(t, []string{"kms:write"}, now.Scopes)

		own, replaced := secretLine(t, file), secretLine(t, other)
		edit(t, realm, file, func(text string) string { return strings.Replace(text, own, replaced, 1) })
		_, err = gate.Continue(t.Context(), nil, was)
		assert.Equal(t, "unauthenticated", code(err), "it was replaced")
		unknown := *was
		unknown.Credential = ""
		_, err = gate.Continue(t.Context(), nil, &unknown)
		require.NoError(t, err, "what began before anybody took note")
		for _, invented := range []string{"token:", "pwd:", "x", "mtls ", was.Credential + "A", strings.TrimPrefix(was.Credential, "token:")} {
			unknown.Credential = invented
			_, err = gate.Continue(t.Context(), nil, &unknown)
			assert.Equal(t, "unauthenticated", code(err), invented)
		}
		if kind == credential.ClientSecret {
			edit(t, realm, file, func(text string) string {
				return strings.Replace(text, replaced, "    certificates: [{dns: ci.example}]\n", 1)
			})
			_, err = gate.Continue(t.Context(), nil, was)
			assert.Equal(t, "unauthenticated", code(err), "it was removed")
		}
	}
}

func TestContinue_EndsWithTheCertificatesPlaceInTheFile(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	require.NoError(t, os.WriteFile(file, []byte("tenants: [{id: default}]\nclients: [{id: ci, tenant: default, certificates: [{dns: ci.example}]}]\napi_tokens: []\n"), 0o600))
	realm := open(t, file, io.Discard, time.Now)
	gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: hashes(t), Log: discard(), Now: time.Now})
	require.NoError(t, err)
	shown := &x509.Certificate{Raw: []byte("x"), DNSNames: []string{"ci.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	r := bearer(t, "")
	r.Header = http.Header{}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}, VerifiedChains: [][]*x509.Certificate{{shown}}}
	was, err := gate.Authenticate(t.Context(), r)
	require.NoError(t, err)
	_, err = gate.Continue(t.Context(), r, was)
	require.NoError(t, err)
	for _, without := range []*http.Request{nil, bearer(t, "")} {
		_, err = gate.Continue(t.Context(), without, was)
		assert.Equal(t, "unauthenticated", code(err), "the certificate is not there")
	}
	edit(t, realm, file, func(text string) string { return strings.Replace(text, "ci.example", "other.example", 1) })
	_, err = gate.Continue(t.Context(), r, was)
	assert.Equal(t, "unauthenticated", code(err))
}

func TestContinue_EndsWithThePasswordInTheFileAndNotWhenAStoreHashesItAnew(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		file := newFile(t, "default", "other")
		hash := func() string {
			made, err := fastPasswords(t).Hash(t.Context(), auth.PreparePassword(password))
			require.NoError(t, err)
			return made
		}
		first, second := hash(), hash()
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		content = append(content, strings.ReplaceAll(users, "HASH", `"`+first+`"`)...)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		realm := openWithUsers(t, file, time.Now)
		gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: hashes(t), Log: discard(), Now: time.Now})
		require.NoError(t, err)
		cfg := auth.PasswordsConfig{Gate: gate, Hashes: fastPasswords(t), Limiter: &steps{realm: realm}}
		if stored {
			cfg.Store = keeper{&steps{realm: realm}}
		}
		passwords, err := auth.NewPasswords(cfg)
		require.NoError(t, err)
		was, err := passwords.Password(t.Context(), "default", "bob", password, netip.Addr{})
		require.NoError(t, err)
		assert.Equal(t, stored, was.Credential == "")
		_, err = gate.Continue(t.Context(), nil, was)
		require.NoError(t, err)
		edit(t, realm, file, func(text string) string { return strings.ReplaceAll(text, first, second) })
		_, err = gate.Continue(t.Context(), nil, was)
		assert.Equal(t, stored, err == nil)
	}
}

// keeper is a store for the passwords of the file realm.
type keeper struct{ *steps }

func (keeper) Name() string { return auth.FileRealmName }
