package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

const canary = "canary-5d1f7c"

// secretFile writes a secret with the given permissions, whatever the umask.
func secretFile(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	require.NoError(t, os.Chmod(file, mode))
	return file
}

func TestLoad_ChecksSecretFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode       fs.FileMode
		policy     config.Policy
		complaint  string // empty: accepted
		suggestion string
	}{
		{0o600, config.Policy{}, "", ""},
		{0o400, config.Policy{}, "", ""},
		{0o440, config.Policy{}, "can be read by its group (mode 0440)", "chmod 600 FILE, or set secrets.allow_group_read to true"},
		{0o640, config.Policy{}, "can be read by its group (mode 0640)", "chmod 600 FILE, or set secrets.allow_group_read to true"},
		{0o440, config.Policy{AllowGroupRead: true}, "", ""},
		{0o640, config.Policy{AllowGroupRead: true}, "", ""},
		{0o644, config.Policy{}, "can be read by everybody (mode 0644)", "chmod 600 FILE"},
		{0o604, config.Policy{AllowGroupRead: true}, "can be read by everybody (mode 0604)", "chmod 640 FILE"},
		{0o602, config.Policy{}, "can be written by others (mode 0602)", "chmod 600 FILE"},
		{0o620, config.Policy{AllowGroupRead: true}, "can be written by others (mode 0620)", "chmod 640 FILE"},
		{0o666, config.Policy{Dev: true}, "", ""},
	} {
		t.Run(fmt.Sprintf("%04o %+v", c.mode, c.policy), func(t *testing.T) {
			t.Parallel()
			file := secretFile(t, canary+"\n", c.mode)
			dst := defaults()
			dst.Secrets = c.policy
			err := config.Load(&dst, config.Source{File: write(t, "database:\n  password: file://"+file+"\n")})
			if c.complaint == "" {
				require.NoError(t, err)
				text, err := dst.Database.Password.ReadText()
				require.NoError(t, err)
				assert.Equal(t, canary, text)
				return
			}
			var found config.Problems
			require.ErrorAs(t, err, &found)
			assert.Equal(t, []brief{{
				2, "database.password", "secret file " + file + " " + c.complaint, strings.ReplaceAll(c.suggestion, "FILE", file),
			}}, briefs(found))
		})
	}
}

func TestLoad_TakesThePolicyFromTheFile(t *testing.T) {
	t.Parallel()
	file := secretFile(t, canary, 0o440)
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{File: write(t, "database: {password: file://"+file+"}\nsecrets: {allow_group_read: true}\n")}))
	content, err := dst.Database.Password.Read()
	require.NoError(t, err)
	assert.Equal(t, []byte(canary), content)
}

func TestLoad_NeverTakesDevelopmentModeFromTheFile(t *testing.T) {
	t.Parallel()
	found := problems(t, config.Source{File: write(t, "secrets: {dev: true}\n")})
	assert.Equal(t, "unknown key", found[0].Message)
}

func TestLoad_FollowsSymbolicLinksToSecrets(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(secretFile(t, canary, 0o600), link))
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{File: write(t, "database: {password: file://"+link+"}")}))

	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Symlink(secretFile(t, canary, 0o644), open))
	found := problems(t, config.Source{File: write(t, "database: {password: file://"+open+"}")})
	assert.Contains(t, found[0].Message, "can be read by everybody")
}

func TestLoad_ReportsMissingSecretFilesEvenInDevelopment(t *testing.T) {
	t.Parallel()
	absent, folder := filepath.Join(t.TempDir(), "absent"), t.TempDir()
	dst := defaults()
	dst.Secrets.Dev = true
	err := config.Load(&dst, config.Source{File: write(t, "database: {password: file://"+absent+"}\nrealms: [{name: a, key: file://"+folder+"}]")})
	var found config.Problems
	require.ErrorAs(t, err, &found)
	assert.Equal(t, []brief{
		{1, "database.password", "secret file " + absent + ": no such file or directory", ""},
		{2, "realms[0].key", "secret file " + folder + " is not a regular file", ""},
	}, briefs(found))
}

func TestLoad_RefusesInlineSecretsWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		canary, "file://" + canary, "file:" + canary, "https://example/" + canary, "file:///a?" + canary, "file:///a#" + canary, "file://" + canary + "/a",
		"file:///%zz" + canary, `"file:///\0` + canary + `"`, "FILE:///" + canary, "'12345" + canary + "'", "!!binary " + canary, "[" + canary + "]", "{a: " + canary + "}",
		"|\n    " + canary + "\n    " + canary,
	} {
		found := problems(t, config.Source{File: write(t, "database:\n  password: "+value+"\n")})
		assert.Equal(t, "database.password", found[0].Path, value)
		assert.NotContains(t, found.Error(), canary, value)
	}
	for _, value := range []string{"*" + canary, "&" + canary, "'" + canary, "%" + canary, "@" + canary, "[" + canary, "!<" + canary, "&a *" + canary, "x: " + canary + ": y"} {
		found := problems(t, config.Source{File: write(t, "log_level: info\ndatabase:\n  password: "+value+"\n")})
		assert.NotContains(t, found.Error(), canary, value)
	}
	found := problems(t, config.Source{
		Environ:   []string{"CRYPTOUTIL_DATABASE__PASSWORD=" + canary},
		Overrides: map[string]string{"database.password": canary},
	})
	assert.Len(t, found, 2, "one does not hide the other")
	assert.NotContains(t, found.Error(), canary)
}

func TestLoad_TakesAReferenceFromTheCommandLine(t *testing.T) {
	t.Parallel()
	dst := defaults()
	file := secretFile(t, canary, 0o600)
	require.NoError(t, config.Load(&dst, config.Source{Overrides: map[string]string{"database.password": "file://" + file}}))
	assert.Equal(t, file, dst.Database.Password.File())
}

func TestLoad_AcceptsASecretThatIsNotSet(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", `""`, "null"} {
		dst := defaults()
		require.NoError(t, config.Load(&dst, config.Source{File: write(t, "database:\n  password: "+value+"\n")}))
		assert.False(t, dst.Database.Password.IsSet())
		_, err := dst.Database.Password.Read()
		require.EqualError(t, err, "read secret: no file is configured")
	}
}

func TestSecret_ChecksTheFileAgainWhenRead(t *testing.T) {
	t.Parallel()
	file := secretFile(t, canary, 0o600)
	secret, err := config.NewSecret("file://"+file, config.Policy{})
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file, 0o666))
	_, err = secret.Read()
	require.EqualError(t, err, "read secret "+file+": can be written by others (mode 0666)")
	require.NoError(t, os.Remove(file))
	_, err = secret.ReadText()
	require.EqualError(t, err, "read secret "+file+": no such file or directory")
}

func TestSecret_ReadsUpToALimitAndNotNothing(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                             "is empty",
		strings.Repeat("x", (1<<20)+1): "is larger than 1MiB",
	} {
		secret, err := config.NewSecret("file://"+secretFile(t, content, 0o600), config.Policy{})
		require.NoError(t, err)
		_, err = secret.Read()
		require.ErrorContains(t, err, want)
	}
}

func TestSecret_ReadTextTrimsOneLineEnd(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"a b": "a b", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", " a ": " a "} {
		secret, err := config.NewSecret("file://"+secretFile(t, content, 0o600), config.Policy{})
		require.NoError(t, err)
		text, err := secret.ReadText()
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
	secret, err := config.NewSecret("file://"+secretFile(t, "\n", 0o600), config.Policy{})
	require.NoError(t, err)
	_, err = secret.ReadText()
	require.ErrorContains(t, err, "is empty")
}

func TestSecret_RedactsItselfEverywhere(t *testing.T) {
	t.Parallel()
	secret, err := config.NewSecret("file:///run/"+canary, config.Policy{})
	require.NoError(t, err)
	holder := struct {
		Password config.Secret
		Pointer  *config.Secret
	}{secret, &secret}

	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "holder", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", secret, "holder", holder.Password)
	require.NoError(t, json.NewEncoder(&out).Encode(holder))
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %q %v %+v", secret, secret, secret, secret, secret, holder.Password, struct{ S config.Secret }{secret})
	assert.Contains(t, out.String(), "[redacted]")
	assert.NotContains(t, out.String(), canary)
	assert.Empty(t, config.Secret{}.String())
}
