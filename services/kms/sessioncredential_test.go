package kms_test

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
func (s *service) begun(t testing.TB, id, secret string) string {
	t.Helper()
	request := s.request(t, "", http.MethodPost, "sessions", map[string]any{})
	request.SetBasicAuth(id, secret)
	return s.send(t, request).done(t, http.StatusCreated).member(t, "session_token")
}

// A session does not outlive the secret that it began with, on the replica that it began on or on another: whoever has stolen the one has
// perhaps exchanged it for the other.
func TestSessions_EndWithTheSecretInTheRealmFile(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			s := run(t, cfg, files)
			other := run(t, cfg, files)
			secrets := map[string]string{}
			for _, id := range []string{"donor", "replaced", "removed", "stays"} {
				secrets[id] = s.enroll(t, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: id, Scopes: []string{"kms:read"}})
			}
			tool := s.token(t, "default", "tool", "kms:read")
			require.NoError(t, other.Reload(&other.cfg.Config))
			sessions := map[string]string{
				"replaced": s.begun(t, "replaced", secrets["replaced"]), "removed": s.begun(t, "removed", secrets["removed"]), "stays": s.begun(t, "stays", secrets["stays"]),
				"tool": s.call(t, tool, http.MethodPost, "sessions", map[string]any{}).done(t, http.StatusCreated).member(t, "session_token"),
			}
			before, err := os.ReadFile(cfg.Realm.File.String())
			require.NoError(t, err)
			for id, edit := range map[string]func(string) string{
				"replaced": rehashed("replaced", "donor", "secret_hash"), "removed": without("removed"), "tool": without("tool"),
			} {
				for _, replica := range []*service{s, other} {
					replica.get(t, sessions[id], "elastic-keys")
				}
				s.editRealm(t, edit)
				edited := time.Now()
				for _, replica := range []*service{s, other} {
					for {
						sent := time.Since(edited)
						got := replica.call(t, sessions[id], http.MethodGet, "elastic-keys", nil)
						if got.status != http.StatusOK {
							got.refused(t, http.StatusUnauthorized, "unauthenticated", id)
							break
						}
						require.Less(t, sent, takesEffect, "%s: the session still works", id)
					}
				}
				for _, replica := range []*service{s, other} {
					replica.get(t, sessions["stays"], "elastic-keys")
				}
			}
			// The client is there all the while, and what begins with its present secret goes on.
			s.editRealm(t, func(string) string { return string(before) })
			require.NoError(t, s.Reload(&s.cfg.Config))
			s.get(t, s.begun(t, "replaced", secrets["replaced"]), "elastic-keys")
		})
	}
}

// The session of a browser ends with the password of the realm file, and the one of a certificate with its place there.
func TestSessions_EndWithThePasswordOrCertificateInTheRealmFile(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	a := administered(t, &cfg)
	addClient(t, &cfg, "default", "program.example", "'kms:read'")
	hashes, err := platform.OpenHashes(&cfg.Config)
	require.NoError(t, err)
	for _, id := range []string{"ada", "bob"} {
		require.NoError(t, auth.AddUser(t.Context(), cfg.Realm.File.String(), auth.FileHashes{
			Secrets: hashes.Registry(secrethash.HighEntropyRandom), Passwords: hashes.Registry(secrethash.LowEntropyRandom),
		}, auth.User{ID: id, Tenant: "default", Scopes: []string{"kms:read"}}, estatePassword))
	}
	s := run(t, cfg, files)
	ada, bob := logIn(t, s, "default", "ada").value(t, sessionCookie), logIn(t, s, "default", "bob").value(t, sessionCookie)
	holder := s.as(t, a.issue(t, "program.example"))
	token := holder.ask(t, http.MethodPost, "sessions", map[string]any{}).done(t, http.StatusCreated).member(t, "session_token")
	require.True(t, s.holds(t, ada))
	require.True(t, s.holds(t, bob))
	holder.get(t, token, "elastic-keys")
	s.call(t, token, http.MethodGet, "elastic-keys", nil).refused(t, http.StatusUnauthorized, "unauthenticated", "it is bound to the certificate")

	s.editRealm(t, rehashed("ada", "bob", "password_hash")) // the same password under another salt: nobody can tell
	require.NoError(t, s.Reload(&s.cfg.Config))
	assert.False(t, s.holds(t, ada))
	assert.True(t, s.holds(t, bob))
	holder.get(t, token, "elastic-keys")
	s.editRealm(t, func(text string) string {
		return strings.Replace(text, "{dns: program.example}", "{dns: elsewhere.example}", 1)
	})
	require.NoError(t, s.Reload(&s.cfg.Config))
	holder.call(t, token, http.MethodGet, "elastic-keys", nil).refused(t, http.StatusUnauthorized, "unauthenticated", "the certificate stands for nobody")
	assert.True(t, s.holds(t, bob))
}
