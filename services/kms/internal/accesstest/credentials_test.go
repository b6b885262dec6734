package accesstest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

var hashLine = regexp.MustCompile(`secret_hash: .*`)

// A change is seen on a connection that is kept open, without a signal and without a restart.
func TestCredentials_StopWorkingWithinASecond(t *testing.T) {
	t.Parallel()
	for what, edit := range map[string]func(text string) string{
		"disabled": func(text string) string {
			return strings.Replace(text, "  - id: victim\n", "  - id: victim\n    disabled: true\n", 1)
		},
		"expired": func(text string) string {
			return strings.Replace(text, "  - id: victim\n", "  - id: victim\n    expires_at: 2026-01-01T00:00:00Z\n", 1)
		},
		"removed": func(text string) string {
			before, _, _ := strings.Cut(text, "  - id: victim\n")
			return before
		},
		"of no scope": func(text string) string { return strings.Replace(text, "['kms:read']", "[]", 1) },
		"of another secret": func(text string) string { // the hash of the token above it
			before, after, _ := strings.Cut(text, "  - id: victim\n")
			return before + "  - id: victim\n" + hashLine.ReplaceAllLiteralString(after, hashLine.FindString(before))
		},
		"suspended tenant": func(text string) string {
			return strings.Replace(text, "  - id: default\n", "  - id: default\n    status: suspended\n", 1)
		},
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, database.EngineSQLite)
			s := kmstest.Run(t, cfg, files)
			token := s.Token(t, "default", "victim", "kms:read")
			s.Get(t, token, "elastic-keys")
			s.EditRealm(t, edit)
			edited := time.Now()
			for {
				sent := time.Since(edited)
				got := s.Call(t, token, http.MethodGet, "elastic-keys", nil)
				if got.Status != http.StatusOK {
					assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, got.Status)
					return
				}
				require.Less(t, sent, kmstest.TakesEffect, "%s: it still works", what)
			}
		})
	}
}

func TestCredentials_EndAtTheirTime(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	ends := time.Now().Add(2 * time.Second).Truncate(time.Second) // in one to two seconds: a realm file has whole ones
	token := s.Enroll(t, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "short", Scopes: []string{"kms:read"}, ExpiresAt: ends})
	self := s.Get(t, token, "self")
	assert.Equal(t, ends.UTC().Format("2006-01-02T15:04:05.000000Z"), self.Member(t, "expires_at"))
	worked := 0
	require.Eventually(t, func() bool {
		expired := !time.Now().Before(ends)
		got, err := s.Exchange(s.Request(t, token, http.MethodGet, "self", nil))
		if err != nil || got.Status == http.StatusUnauthorized {
			return err == nil
		}
		assert.False(t, expired, "it works after its end")
		worked++
		return false
	}, 10*time.Second, 5*time.Millisecond)
	assert.Positive(t, worked)
	assert.False(t, time.Now().Before(ends), "it ended early")
}

// A realm file that cannot be used neither opens the door nor closes it; one without entries closes it.
func TestCredentials_SurviveASpoiltRealmFile(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	token := s.Operator(t)
	for _, spoilt := range []string{"tenants: [", "nonsense: true\n", "tenants:\n  - id: default\napi_tokens:\n  - id: operator\n", "- 1\n", "\x00"} {
		s.EditRealm(t, func(string) string { return spoilt })
		require.Error(t, s.Reload(&s.Config.Config), spoilt)
		s.Get(t, token, "self")
	}
	s.EditRealm(t, func(string) string { return "tenants: []\n" })
	require.NoError(t, s.Reload(&s.Config.Config))
	s.Call(t, token, http.MethodGet, "self", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "nobody is left")
}
