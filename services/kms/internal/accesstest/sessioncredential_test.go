package accesstest_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// realmEntry is an entry of the realm file: its text from its id to the next entry.
func realmEntry(id string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^  - id: ` + regexp.QuoteMeta(id) + `\n(?:    .*\n)*`)
}

// without removes an entry of the realm file.
func without(id string) func(string) string {
	return func(text string) string { return realmEntry(id).ReplaceAllLiteralString(text, "") }
}

// rehashed gives an entry of the realm file the hash of another one.
func rehashed(id, from, member string) func(string) string {
	line := regexp.MustCompile(member + `: .*`)
	return func(text string) string {
		hash := line.FindString(realmEntry(from).FindString(text))
		return realmEntry(id).ReplaceAllStringFunc(text, func(entry string) string { return line.ReplaceAllLiteralString(entry, hash) })
	}
}

// begun is a program's session that began with client credentials.
func begun(t testing.TB, s *kmstest.Service, id, secret string) string {
	t.Helper()
	request := s.Request(t, "", http.MethodPost, "sessions", map[string]any{})
	request.SetBasicAuth(id, secret)
	return s.Send(t, request).Done(t, http.StatusCreated).Member(t, "session_token")
}

// A session does not outlive the secret that it began with, on the replica that it began on or on another: whoever has stolen the one has
// perhaps exchanged it for the other.
func TestSessions_EndWithTheSecretInTheRealmFile(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			s := kmstest.Run(t, cfg, files)
			other := kmstest.Run(t, cfg, files)
			secrets := map[string]string{}
			for _, id := range []string{"donor", "replaced", "removed", "stays"} {
				secrets[id] = s.Enroll(t, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: id, Scopes: []string{"kms:read"}})
			}
			tool := s.Token(t, "default", "tool", "kms:read")
			require.NoError(t, other.Reload(&other.Config.Config))
			sessions := map[string]string{
				"replaced": begun(t, s, "replaced", secrets["replaced"]), "removed": begun(t, s, "removed", secrets["removed"]), "stays": begun(t, s, "stays", secrets["stays"]),
				"tool": s.Call(t, tool, http.MethodPost, "sessions", map[string]any{}).Done(t, http.StatusCreated).Member(t, "session_token"),
			}
			before, err := os.ReadFile(cfg.Realm.File.String())
			require.NoError(t, err)
			for id, edit := range map[string]func(string) string{
				"replaced": rehashed("replaced", "donor", "secret_hash"), "removed": without("removed"), "tool": without("tool"),
			} {
				for _, replica := range []*kmstest.Service{s, other} {
					replica.Get(t, sessions[id], "elastic-keys")
				}
				s.EditRealm(t, edit)
				edited := time.Now()
				for _, replica := range []*kmstest.Service{s, other} {
					for {
						sent := time.Since(edited)
						got := replica.Call(t, sessions[id], http.MethodGet, "elastic-keys", nil)
						if got.Status != http.StatusOK {
							got.Refused(t, http.StatusUnauthorized, "unauthenticated", id)
							break
						}
						require.Less(t, sent, kmstest.TakesEffect, "%s: the session still works", id)
					}
				}
				for _, replica := range []*kmstest.Service{s, other} {
					replica.Get(t, sessions["stays"], "elastic-keys")
				}
			}
			// The client is there all the while, and what begins with its present secret goes on.
			s.EditRealm(t, func(string) string { return string(before) })
			require.NoError(t, s.Reload(&s.Config.Config))
			s.Get(t, begun(t, s, "replaced", secrets["replaced"]), "elastic-keys")
		})
	}
}

// The session of a browser ends with the password of the realm file, and the one of a certificate with its place there.
func TestSessions_EndWithThePasswordOrCertificateInTheRealmFile(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	a := kmstest.Administered(t, &cfg)
	kmstest.AddClient(t, &cfg, "default", "program.example", "'kms:read'")
	hashes, err := platform.OpenHashes(&cfg.Config)
	require.NoError(t, err)
	for _, id := range []string{"ada", "bob"} {
		require.NoError(t, auth.AddUser(t.Context(), cfg.Realm.File.String(), auth.FileHashes{
			Secrets: hashes.Registry(secrethash.HighEntropyRandom), Passwords: hashes.Registry(secrethash.LowEntropyRandom),
		}, auth.User{ID: id, Tenant: "default", Scopes: []string{"kms:read"}}, kmstest.EstatePassword))
	}
	s := kmstest.Run(t, cfg, files)
	ada, bob := kmstest.LogIn(t, s, "default", "ada").Value(t, kmstest.SessionCookie), kmstest.LogIn(t, s, "default", "bob").Value(t, kmstest.SessionCookie)
	holder := s.As(t, a.Issue(t, "program.example"))
	token := holder.Ask(t, http.MethodPost, "sessions", map[string]any{}).Done(t, http.StatusCreated).Member(t, "session_token")
	require.True(t, s.Holds(t, ada))
	require.True(t, s.Holds(t, bob))
	holder.Get(t, token, "elastic-keys")
	s.Call(t, token, http.MethodGet, "elastic-keys", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "it is bound to the certificate")

	s.EditRealm(t, rehashed("ada", "bob", "password_hash")) // the same password under another salt: nobody can tell
	require.NoError(t, s.Reload(&s.Config.Config))
	assert.False(t, s.Holds(t, ada))
	assert.True(t, s.Holds(t, bob))
	holder.Get(t, token, "elastic-keys")
	s.EditRealm(t, func(text string) string {
		return strings.Replace(text, "{dns: program.example}", "{dns: elsewhere.example}", 1)
	})
	require.NoError(t, s.Reload(&s.Config.Config))
	holder.Call(t, token, http.MethodGet, "elastic-keys", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "the certificate stands for nobody")
	assert.True(t, s.Holds(t, bob))
}
