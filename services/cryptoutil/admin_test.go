package cryptoutil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/cryptoutil"
)

// developing runs development mode on a new directory until the test ends.
func developing(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- cryptoutil.Dev(ctx, dir, true, &screen{last: "keys survive.\n", then: func() { close(ready) }}, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	select {
	case <-ready:
	case err := <-done:
		cancel()
		done <- nil
		require.NoError(t, err)
	}
	return dir
}

// administer runs `cryptoutil kms` commands against a service.
type administer struct {
	dir, context string
}

// run returns what a command printed, which must succeed.
func (a administer) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := a.try(t, args...)
	require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
	return out
}

func (a administer) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	file := a.context
	if file == "" {
		file = filepath.Join(a.dir, "context.yaml")
	}
	return command(t, append(append([]string{"kms"}, args...), "--context", file)...)
}

// object runs a command with --output json.
func (a administer) object(t *testing.T, args ...string) map[string]any {
	t.Helper()
	var object map[string]any
	text := a.run(t, append(args, "--output", "json")...)
	require.NoError(t, json.Unmarshal([]byte(text), &object), text)
	return object
}

// items runs a list with --output json.
func (a administer) items(t *testing.T, args ...string) (items []map[string]any) {
	t.Helper()
	for _, item := range a.object(t, args...)["items"].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

func TestAdministration_FromTheCommandLine(t *testing.T) {
	t.Parallel()
	a := administer{dir: developing(t)}
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("correct horse battery staple\nsecond line\n"), 0o600))

	t.Run("people", func(t *testing.T) {
		t.Parallel()
		ada := a.object(t, "user", "create", "--login", "ada", "--email", "ada@example.net", "--password-file", password)
		assert.Equal(t, true, ada["has_password"])
		assert.Equal(t, ada["id"], a.object(t, "user", "get", "ADA@example.net")["id"])
		changed := a.object(t, "user", "update", "ada", "--name", "Ada", "--email", "", "--expires", "720h")
		assert.Equal(t, "Ada", changed["name"])
		assert.NotContains(t, changed, "email")
		assert.Contains(t, changed, "expires_at")
		assert.NotContains(t, a.object(t, "user", "update", "ada", "--expires", "never"), "expires_at")
		assert.Empty(t, a.run(t, "user", "set-password", "ada", "--password-file", password))
		assert.EqualValues(t, 0, a.object(t, "user", "revoke-sessions", "ada")["sessions"])

		a.run(t, "role", "create", "--name", "readers", "--scopes", "kms:read")
		binding := a.object(t, "binding", "create", "--role", "readers", "--user", "ada")
		assert.Equal(t, ada["id"], binding["subject_id"])
		assert.Len(t, a.items(t, "binding", "list", "--role", "readers"), 1)
		a.run(t, "binding", "delete", binding["id"].(string))
		grant := a.object(t, "grant", "create", "--user", "ada", "--resource-kind", "elastic-key", "--resource", "pay", "--prefix", "--scopes", "kms:encrypt")
		assert.Equal(t, true, grant["prefix"])
		a.run(t, "grant", "delete", grant["id"].(string))
		a.run(t, "role", "delete", "readers")

		a.run(t, "user", "delete", "ada")
		_, err := a.try(t, "user", "get", "ada")
		require.ErrorContains(t, err, `there is no "ada"`)
		_, err = a.try(t, "user", "create", "--login", "ben")
		require.ErrorContains(t, err, "--password-file FILE")
		assert.True(t, isUsage(err) || strings.Contains(err.Error(), "no terminal"))
	})
	t.Run("programs", func(t *testing.T) {
		t.Parallel()
		made := a.object(t, "client", "create", "--name", "billing", "--scopes", "kms:read", "--certificate", filepath.Join(a.dir, "credentials", "admin.pem"))
		assert.Regexp(t, `^cu_cs_default_`, made["secret"])
		assert.NotContains(t, a.object(t, "client", "get", "billing"), "secret", "it is shown once")
		assert.Len(t, made["certificates"], 1)
		secret := filepath.Join(t.TempDir(), "secret")
		out := a.run(t, "client", "rotate-secret", "billing", "--secret-file", secret, "--overlap", "60")
		text, err := os.ReadFile(secret)
		require.NoError(t, err)
		assert.Regexp(t, `^cu_cs_default_\S+\n$`, string(text))
		assert.NotContains(t, out, strings.TrimSpace(string(text)))
		_, err = a.try(t, "client", "rotate-secret", "billing", "--secret-file", secret)
		require.ErrorIs(t, err, os.ErrExist, "nothing is overwritten, and no secret made that has no place")
		_, err = a.try(t, "client", "create", "--name", "Bad Name", "--scopes", "kms:read", "--secret-file", secret+"-2")
		require.ErrorContains(t, err, "validation_failed")
		assert.NoFileExists(t, secret+"-2")
		assert.NotContains(t, a.object(t, "client", "update", "billing", "--certificate", ""), "certificates")

		assert.Regexp(t, `(?m)^Token +cu_at_default_`, a.run(t, "token", "create", "--name", "ci", "--scopes", "kms:read", "--expires", "1h"))
		assert.Equal(t, true, a.object(t, "token", "update", "ci", "--disabled")["disabled"])
		a.run(t, "token", "delete", "ci")
		a.run(t, "client", "delete", "billing")
	})
	t.Run("tenants", func(t *testing.T) {
		t.Parallel()
		a.run(t, "tenant", "create", "--id", "acme", "--name", "Acme Corp")
		assert.Equal(t, "suspended", a.object(t, "tenant", "suspend", "acme")["status"])
		assert.Equal(t, "active", a.object(t, "tenant", "resume", "acme")["status"])
		assert.Contains(t, a.object(t, "tenant", "delete", "acme"), "delete_after")
		assert.Equal(t, "suspended", a.object(t, "tenant", "restore", "acme")["status"], "until resume")
		assert.Equal(t, "active", a.object(t, "tenant", "resume", "acme")["status"])
		assert.Equal(t, "Acme", a.object(t, "tenant", "update", "acme", "--name", "Acme")["name"])
		assert.Regexp(t, `(?m)^acme +Acme +active +row$`, a.run(t, "tenant", "list"))
		assert.Empty(t, a.items(t, "session", "list"))
	})
	t.Run("pages are followed", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"page-1", "page-2", "page-3"} {
			a.run(t, "role", "create", "--name", name, "--scopes", "kms:read")
		}
		assert.GreaterOrEqual(t, len(a.items(t, "role", "list")), 8)
		assert.Len(t, a.items(t, "role", "list", "--limit", "2"), 2)
	})
	t.Run("without a certificate", func(t *testing.T) {
		t.Parallel()
		text, err := os.ReadFile(filepath.Join(a.dir, "context.yaml"))
		require.NoError(t, err)
		plain := filepath.Join(t.TempDir(), "context.yaml")
		require.NoError(t, os.WriteFile(plain, regexp.MustCompile(`(?m)^ +(mtls_url|client_\w+): .*\n`).ReplaceAll(text, nil), 0o600))
		b := administer{dir: a.dir, context: plain}
		b.run(t, "role", "list")
		_, err = b.try(t, "role", "create", "--name", "x", "--scopes", "kms:read")
		require.ErrorContains(t, err, "step_up_required")
		require.ErrorContains(t, err, "credential certificate makes them")
	})
}

func TestAudit_IsExportedAndVerifiedOffline(t *testing.T) {
	t.Parallel()
	a := administer{dir: developing(t)}
	a.run(t, "role", "create", "--name", "readers", "--scopes", "kms:read")
	require.Eventually(t, func() bool { return len(a.items(t, "audit", "list", "--action", "role.create")) == 1 }, longEnough, oftenEnough)
	export := filepath.Join(t.TempDir(), "trail.jsonl")
	out := a.run(t, "audit", "export", "--output", export)
	assert.Contains(t, out, export+".keys.json")
	_, err := a.try(t, "audit", "export", "--output", export)
	require.ErrorIs(t, err, os.ErrExist)

	out, err = command(t, "audit", "verify", export)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^Intact +true$`, out)
	text, err := os.ReadFile(export)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(export, bytes.Replace(text, []byte("role.create"), []byte("role.delete"), 1), 0o600))
	out, err = command(t, "kms", "audit", "verify", export)
	require.Error(t, err)
	assert.Regexp(t, `(?m)^Intact +NO$`, out)

	keys := a.run(t, "audit", "checkpoint-key")
	beside, err := os.ReadFile(export + ".keys.json")
	require.NoError(t, err)
	assert.JSONEq(t, keys, string(beside))
	part := a.run(t, "audit", "export", "--since", "1h", "--output", "-")
	assert.Contains(t, part, "role.create")
}
