package cryptoutil_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/cryptoutil"
)

// command runs a command line and returns what it printed.
func command(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var text bytes.Buffer
	root := cryptoutil.Command()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(args)
	root.SetIn(strings.NewReader(""))
	root.SetOut(&text)
	root.SetErr(&text)
	err = root.ExecuteContext(t.Context())
	return text.String(), err
}

// isUsage tells whether an error is one of the command line.
func isUsage(err error) bool {
	coded, ok := err.(interface{ ExitCode() int })
	return ok && coded.ExitCode() == 2
}

func TestHelp_ListsEveryCommandAndDescribesIt(t *testing.T) {
	t.Parallel()
	for path, children := range map[string]string{
		"":     "audit ca dev jose kms status version",
		"ca":   "acme audit barrier binding client credential crl grant health init issue issuer list migrate profile rekey release renew revoke role seal session show shutdown start status tenant token unseal user validate",
		"jose": "audit barrier binding client credential grant health init jwe jwks jws jwt key migrate profile rekey role sd-jwt seal session shutdown start status tenant thumbprint token unseal user validate",
		"kms": "approval attestation audit backup barrier batch binding client credential decapsulate decrypt derive encapsulate encrypt generate " +
			"generate-data-key generate-random grant health import init jwks key mac migrate recipient reencrypt rekey report role seal self session " +
			"shutdown sign start status tenant token unseal unwrap user validate verify verify-mac wrap",
		"ca issuer":        "certificates certify create cross-sign csr destroy get import install list publish resume retire rollover update",
		"ca profile":       "get list",
		"ca acme":          "account key",
		"ca acme key":      "create get list revoke",
		"ca acme account":  "revoke",
		"jose key":         "create destroy disable enable export export-set get import list public rotate update version",
		"jose key version": "destroy get list",
		"jose jws":         "sign verify",
		"jose jwe":         "decrypt encrypt",
		"jose jwt":         "issue revoke verify",
		"jose sd-jwt":      "issue present verify",
		"jose profile":     "create delete get list update",
		"kms key":          "alias cancel-deletion create delete disable enable export get grant list public retry-generation rotate tag update version",
		"kms key version":  "create destroy disable enable get list mark-compromised restore set-primary",
		"kms key alias":    "delete get list put",
		"kms key grant":    "create get list retire revoke",
		"kms approval":     "approve cancel get list reject request",
		"kms attestation":  "get keys verify",
		"kms backup":       "check key rehearse restore tenant",
		"kms import":       "finish job jobs public start",
		"kms recipient":    "create open thumbprint",
		"kms report":       "algorithms",
		"kms credential":   "add certificate remove",
		"kms user":         "add create delete get list remove revoke-sessions set-password update",
		"kms client":       "create delete get list rotate-secret update",
		"kms token":        "create delete get list update",
		"kms role":         "create delete get list update",
		"kms binding":      "create delete get list",
		"kms grant":        "create delete get list",
		"kms tenant":       "create delete get list restore resume suspend update",
		"kms session":      "list revoke",
		"kms audit":        "checkpoint-key export list verify",
	} {
		help, err := command(t, append(strings.Fields(path), "--help")...)
		require.NoError(t, err, path)
		for _, child := range strings.Fields(children) {
			assert.Regexp(t, `\n  `+child+` +\S`, help, path)
		}
	}
}

func TestHelp_OfEveryCommandHasAnExampleThatCanBeTyped(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			visit(child)
		}
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		assert.False(t, strings.HasSuffix(cmd.Short, "."), cmd.CommandPath())
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 100, "%s: %s", cmd.CommandPath(), line)
		}
		assert.NotContains(t, cmd.Long+cmd.Example, "-server ", "%s names another program", cmd.CommandPath())
		if !cmd.HasSubCommands() {
			assert.Contains(t, cmd.Example, cmd.CommandPath(), "%s has no example that can be typed", cmd.CommandPath())
		}
	}
	visit(cryptoutil.Command())
}

func TestInit_RefusesWhatCannotWorkBeforeItMakesAnything(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	password := filepath.Join(folder, "password")
	require.NoError(t, os.WriteFile(password, []byte("correct horse battery"), 0o600))
	dir := filepath.Join(folder, "data")
	for flags, want := range map[string]string{
		"--unseal dev":                                  "--unseal is derive or shamir",
		"--shares 5 --threshold 3":                      "--shares and --threshold go with --unseal shamir",
		"--unseal shamir --shares 2":                    "--threshold is 2 to the number of --shares",
		"--unseal shamir --threshold 1":                 "--threshold is 2 to the number of --shares",
		"--unseal shamir --shares 256":                  "at most 255",
		"--tenant Acme":                                 "--tenant is 1 to 31 of a-z",
		"--postgres-url postgres://kms@db/kms":          "go together",
		"--postgres-password-file " + password:          "go together",
		"--postgres-url postgres://kms:secret@db/kms":   "--postgres-url: holds a password",
		"--postgres-url mysql://kms@db/kms":             "--postgres-url: scheme",
		"--postgres-url postgres://kms@db/kms?x=1&&x=2": "--postgres-url: ",
	} {
		args := append([]string{"kms", "init", "--data", dir}, strings.Fields(flags)...)
		if strings.Contains(want, "--postgres-url: ") {
			args = append(args, "--postgres-password-file", password)
		}
		_, err := command(t, args...)
		require.ErrorContains(t, err, want, flags)
		assert.True(t, isUsage(err), flags)
		require.NoDirExists(t, dir, flags)
	}
	_, err := command(t, "kms", "init")
	require.ErrorContains(t, err, "name the directory with --data DIR")

	for file, mode := range map[string]os.FileMode{filepath.Join(folder, "absent"): 0, password: 0o666} {
		if mode != 0 {
			require.NoError(t, os.Chmod(file, mode))
		}
		_, err = command(t, "kms", "init", "--data", dir, "--postgres-url", "postgres://kms@db/kms", "--postgres-password-file", file)
		require.ErrorContains(t, err, "--postgres-password-file: ")
		require.NoDirExists(t, dir)
	}
}

func TestInit_SaysWhatComesNextAndChangesNothingTwice(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	out, err := command(t, "kms", "init", "--data", dir, "--unseal", "shamir", "--shares", "3", "--threshold", "2")
	require.NoError(t, err)
	next := []string{
		"cryptoutil kms start --config " + filepath.Join(dir, "kms.yaml"),
		"cryptoutil kms unseal --context " + filepath.Join(dir, "context.yaml") + " --share-file",
		"cryptoutil kms self --context " + filepath.Join(dir, "context.yaml"),
		"delete the files",
	}
	for _, text := range next {
		at := strings.Index(out, text)
		require.GreaterOrEqual(t, at, 0, "%s\n%s", text, out)
		out = out[at:]
	}
	before := contents(t, dir)
	assert.ElementsMatch(t, []string{
		"kms.yaml", "context.yaml", "kms/realm.yaml", "credentials/kms.token", "secrets/pepper", "shares/share-1", "shares/share-2", "shares/share-3",
		"credentials/operator.password", "credentials/admin.pem", "credentials/admin.key", "tls/root.pem", "tls/root.key", "tls/issuer.pem", "tls/lock",
	}, slices.Collect(maps.Keys(before)), "no unseal secret")
	_, err = command(t, "kms", "init", "--data", dir)
	require.ErrorContains(t, err, "exists already; nothing was changed")
	assert.Equal(t, before, contents(t, dir))
}

func TestCredential_RefusesAScopeThatDoesNotExist(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := command(t, "kms", "init", "--data", dir)
	require.NoError(t, err)
	add := []string{"kms", "credential", "add", "--config", filepath.Join(dir, "kms.yaml"), "--id", "ci", "--scopes"}
	_, err = command(t, append(add, "kms:encrypt,kms:decypt")...)
	require.ErrorContains(t, err, `there is no scope "kms:decypt"; there are kms:admin, kms:read, kms:write, kms:encrypt, kms:decrypt`)
	assert.True(t, isUsage(err))
	out, err := command(t, append(add, "kms:admin,kms:read,kms:write,kms:encrypt,kms:decrypt,kms:sign,kms:verify")...)
	require.NoError(t, err)
	assert.Regexp(t, `^cu_at_default_ci_\S+\n$`, out)
}
