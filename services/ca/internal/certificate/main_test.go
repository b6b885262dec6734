package certificate_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/testkit"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// keys are one of each kind, made once.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		made[name] = must(ecdsa.GenerateKey(curve, rand.Reader))
	}
	made["RSA"] = must(rsa.GenerateKey(rand.Reader, 2048))
	_, made["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	return made
})

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// openssl runs OpenSSL with an input and returns its output.
func openssl(t testing.TB, input []byte, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), testkit.RequireTool(t, "openssl"), arguments...)
	command.Stdin = strings.NewReader(string(input))
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// reason requires a refusal and returns its reason.
func reason(t testing.TB, err error) certificate.Reason {
	t.Helper()
	var refusal *certificate.Refusal
	require.ErrorAs(t, err, &refusal)
	require.NotEmpty(t, refusal.Detail)
	return refusal.Reason
}

// spki is the DER of a key's public part.
func spki(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	text, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return text
}
