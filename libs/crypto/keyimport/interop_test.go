package keyimport_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

// requireTool ends the test where a program is absent: skipped, or failed where everything is required.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CRYPTOUTIL_TEST_REQUIRED") == "1" {
		t.Fatalf("the program %s is not installed, and CRYPTOUTIL_TEST_REQUIRED=1 requires it", name)
	}
	t.Skipf("the program %s is not installed; the test does not run", name)
}

// documented returns the commands of a section of docs/kms-import.md.
func documented(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "kms-import.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "\n### "+section+"\n\n```sh\n")
	require.True(t, found, "docs/kms-import.md has no commands for %s", section)
	commands, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	return commands
}

func runShell(t *testing.T, folder, commands string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	run.Dir = folder
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s\n%s", commands, out)
}

// OpenSSL makes and wraps keys with the commands that the documentation gives, and they come in.
func TestInterop_DocumentedCommandsOfOpenSSL(t *testing.T) {
	t.Parallel()
	requireTool(t, "openssl")
	requireTool(t, "sh")
	wrapping := wrappingKeys()[keyimport.MethodRSA]
	public, err := wrapping.MarshalPEM()
	require.NoError(t, err)
	for section, algorithm := range map[string]string{"RSA": "PS256", "EC": "ES256", "Ed25519": "Ed25519", "Symmetric": "A256GCM/A256KW"} {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "wrapping-key.pem"), public, 0o600))
			runShell(t, folder, documented(t, section))
			runShell(t, folder, documented(t, "Commands"))
			wrapped, err := os.ReadFile(filepath.Join(folder, "wrapped.bin"))
			require.NoError(t, err)
			spec := parseSpec(t, algorithm, 0, "")
			if section == "RSA" {
				spec.KeySize = 2048
			}
			key, err := keyimport.Import(spec, keyimport.MethodRSA, wrapping, wrapped)
			require.NoError(t, err)

			if key.IsSymmetric() {
				material, err := os.ReadFile(filepath.Join(folder, "material.bin"))
				require.NoError(t, err)
				assert.Equal(t, material, key.Secret())
				return
			}
			// OpenSSL says what the public part is.
			runShell(t, folder, "openssl pkey -in key.pem -pubout -out public.pem")
			text, err := os.ReadFile(filepath.Join(folder, "public.pem"))
			require.NoError(t, err)
			own, err := keyimport.ParsePublic(spec, text)
			require.NoError(t, err)
			assert.Equal(t, own.ThumbprintSHA256(), key.ThumbprintSHA256())

			// What OpenSSL writes unless it is asked for PKCS#8 is refused with the command that is missing.
			if section != "Ed25519" {
				runShell(t, folder, "openssl pkey -in key.pem -traditional -outform DER -out material.bin")
				runShell(t, folder, documented(t, "Commands"))
				wrapped, err = os.ReadFile(filepath.Join(folder, "wrapped.bin"))
				require.NoError(t, err)
				_, err = keyimport.Import(spec, keyimport.MethodRSA, wrapping, wrapped)
				assertCode(t, err, "import_malformed")
				require.ErrorContains(t, err, "openssl pkcs8 -topk8")
			}
		})
	}
}

// An independent JOSE library wraps; of the content encryptions it has one that runs under enforcement.
func TestInterop_AnotherLibraryWraps(t *testing.T) {
	t.Parallel()
	wrapping := wrappingKeys()[keyimport.MethodECDH]
	text, err := wrapping.MarshalPublic()
	require.NoError(t, err)
	var theirs jose.JSONWebKey
	require.NoError(t, json.Unmarshal(text, &theirs))
	encrypter, err := jose.NewEncrypter(jose.A256CBC_HS512, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: theirs.Key}, nil)
	require.NoError(t, err)
	spec := parseSpec(t, "Ed25519", 0, "")
	key := generate(t, spec)
	for form, material := range forms(t, key) {
		message, err := encrypter.Encrypt(material)
		require.NoError(t, err)
		compact, err := message.CompactSerialize()
		require.NoError(t, err)
		got, err := keyimport.Import(spec, keyimport.MethodECDH, wrapping, []byte(compact))
		require.NoError(t, err, form)
		assert.Equal(t, key.ThumbprintSHA256(), got.ThumbprintSHA256())
	}
}
