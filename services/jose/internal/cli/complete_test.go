package cli_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/cli"
)

// done is how an operation of the document is done: by a method of the client and a command.
func done() map[string]struct{ method, command string } {
	return map[string]struct{ method, command string }{
		"createKey":         {"CreateKey", "key create"},
		"importKey":         {"ImportKey", "key import"},
		"adoptKMSKey":       {"AdoptKMSKey", "key adopt"},
		"listKeys":          {"ListKeys", "key list"},
		"getKey":            {"GetKey", "key get"},
		"updateKey":         {"UpdateKey", "key update"},
		"getPublicKey":      {"PublicKey", "key public"},
		"exportKey":         {"ExportKey", "key export"},
		"exportKeys":        {"ExportKeys", "key export-set"},
		"createCSR":         {"CreateCSR", "key csr"},
		"getCertificate":    {"GetCertificate", "key certificate get"},
		"setCertificate":    {"SetCertificate", "key certificate set"},
		"removeCertificate": {"RemoveCertificate", "key certificate remove"},
		"rotateKey":         {"RotateKey", "key rotate"},
		"enableKey":         {"EnableKey", "key enable"},
		"disableKey":        {"DisableKey", "key disable"},
		"destroyKey":        {"DestroyKey", "key destroy"},
		"listKeyVersions":   {"ListVersions", "key version list"},
		"getKeyVersion":     {"GetVersion", "key version get"},
		"destroyKeyVersion": {"DestroyVersion", "key version destroy"},
		"getKeySet":         {"KeySet", "jwks"},
		"signJWS":           {"Sign", "jws sign"},
		"verifyJWS":         {"Verify", "jws verify"},
		"encryptJWE":        {"Encrypt", "jwe encrypt"},
		"decryptJWE":        {"Decrypt", "jwe decrypt"},
		"issueJWT":          {"IssueJWT", "jwt issue"},
		"verifyJWT":         {"VerifyJWT", "jwt verify"},
		"revokeToken":       {"RevokeToken", "jwt revoke"},
		"issueSDJWT":        {"IssueSDJWT", "sd-jwt issue"},
		"presentSDJWT":      {"PresentSDJWT", "sd-jwt present"},
		"verifySDJWT":       {"VerifySDJWT", "sd-jwt verify"},
		"thumbprint":        {"Thumbprint", "thumbprint"},
		"createProfile":     {"CreateProfile", "profile create"},
		"listProfiles":      {"ListProfiles", "profile list"},
		"getProfile":        {"GetProfile", "profile get"},
		"updateProfile":     {"UpdateProfile", "profile update"},
		"deleteProfile":     {"DeleteProfile", "profile delete"},
	}
}

// Every operation of the document can be done by the client and on the command line, and there is nothing else.
func TestCommands_DoEveryOperationOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../api/openapi.yaml")
	require.NoError(t, err)
	root := &cobra.Command{Use: "jose"}
	root.AddCommand(cli.Commands(nil, nil)...)
	library := reflect.TypeFor[*client.JOSE]()
	left := done()
	for _, match := range regexp.MustCompile(`operationId: (\S+)`).FindAllSubmatch(text, -1) {
		operation := string(match[1])
		by, known := left[operation]
		if !assert.True(t, known, "nothing does %s", operation) {
			continue
		}
		delete(left, operation)
		_, has := library.MethodByName(by.method)
		assert.True(t, has, "the client has no method %s for %s", by.method, operation)
		command, rest, err := root.Find(strings.Fields(by.command))
		require.NoError(t, err, operation)
		assert.True(t, len(rest) == 0 && command.RunE != nil, "there is no command %q for %s", by.command, operation)
	}
	assert.Empty(t, left, "operations that the document does not have")
}

// leaves visits all commands.
func leaves(visit func(*cobra.Command)) {
	root := &cobra.Command{Use: "jose"}
	root.AddCommand(cli.Commands(nil, nil)...)
	var walk func(*cobra.Command)
	walk = func(command *cobra.Command) {
		visit(command)
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	for _, command := range root.Commands() {
		walk(command)
	}
}

// Every command says what it does and shows how, and what it shows has the flags that it needs.
func TestCommands_HaveHelpWithExamplesThatCanBeTyped(t *testing.T) {
	t.Parallel()
	leaves(func(command *cobra.Command) {
		assert.NotEmpty(t, command.Short, command.CommandPath())
		for line := range strings.Lines(command.Long + "\n" + command.Example) {
			assert.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 96, "%s: %s", command.CommandPath(), line)
		}
		if command.RunE == nil {
			return
		}
		path := "jose-server " + strings.TrimPrefix(command.CommandPath(), "jose ")
		assert.Contains(t, command.Example, path, command.CommandPath())
		for _, typed := range regexp.MustCompile(regexp.QuoteMeta(path)+`(( \\\n)?[^\n])*`).FindAllString(command.Example, -1) {
			for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(typed, -1) {
				if _, later, piped := strings.Cut(typed, "|"); !piped || !strings.Contains(later, flag[0]) {
					assert.NotNil(t, command.Flags().Lookup(flag[1]), "%s: %s", typed, flag[0])
				}
			}
		}
	})
}

// Secrets are never arguments: whoever is on the machine sees those.
func TestCommands_TakeNoSecretAsAnArgument(t *testing.T) {
	t.Parallel()
	leaves(func(command *cobra.Command) {
		for _, flag := range []string{"token", "jwk", "secret", "password", "plaintext", "private-key", "message"} {
			assert.Nil(t, command.Flags().Lookup(flag), "%s --%s", command.CommandPath(), flag)
		}
	})
}
