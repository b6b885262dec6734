package auth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
)

// BenchmarkAuthenticate is what the gate costs a request: with a token that it has verified before, and with one that it has not.
func BenchmarkAuthenticate(b *testing.B) {
	registry := fastPasswords(b)
	file := filepath.Join(b.TempDir(), "realm.yaml")
	require.NoError(b, auth.CreateFile(file, "default"))
	token, err := auth.Add(file, registry, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci", Scopes: []string{"kms:read", "kms:encrypt"}})
	require.NoError(b, err)
	realm, err := auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: registry, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	require.NoError(b, err)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token.Text())
	b.Run("hot", func(b *testing.B) {
		gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: registry, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := gate.Authenticate(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gate, err := auth.New(auth.Config{Realms: []auth.Realm{realm}, Secrets: registry, Verified: 1, Log: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := gate.Authenticate(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
