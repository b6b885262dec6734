package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// anchor is a certificate in PEM that certifies others.
func anchor(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestProfile_TrustsKeysOfHeadersAsTheCommandLineSays(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name tokens --algorithm ES256")
	thumbprint := strings.TrimSpace(s.must(t, s.must(t, "", "key public tokens"), "thumbprint"))
	s.write(t, "anchors.pem", anchor(t)+"text between\n"+anchor(t))
	const rest = " --algorithms ES256 --issuer https://shop.example --audience api"
	s.must(t, "", "profile create --name keys --trust-thumbprint "+thumbprint+rest)
	assert.Regexp(t, `Trusted in jwk +`+thumbprint+`\n`, s.must(t, "", "profile get keys"))
	s.must(t, "", "profile create --name devices --trust-anchors @anchors.pem --trust-name a.example,b.example --trust-jku https://a.example/jwks"+rest)
	shown := s.must(t, "", "profile get devices")
	for _, row := range []string{`Trusted names +a\.example b\.example`, `Trusted in jku +https://a\.example/jwks`, `Trusted anchors +2 `, `Algorithms +ES256`} {
		assert.Regexp(t, row, shown)
	}
	assert.NotContains(t, shown, "Trusted in jwk")
	shown = s.must(t, "", "profile update devices --trust-name= --trust-x5u https://a.example/chain")
	assert.Regexp(t, `Trusted in x5u +https://a\.example/chain\n`, shown)
	assert.NotContains(t, shown, "names")
	assert.Regexp(t, `Trusted anchors +2 `, shown, "what no flag names stays")

	s.refuses(t, "", "profile update devices --trust-anchors=", "/trusted_keys/anchors")
	s.refuses(t, "", "profile update keys --trust-thumbprint= --algorithms=", "/key")
	s.refuses(t, "", "profile create --name x --trust-thumbprint abc"+rest, "/trusted_keys/jwk_thumbprints")
	s.refuses(t, "", "profile create --name x --trust-jku http://a.example/jwks"+rest, "/trusted_keys/jku/0: must be an https URL")
	s.refuses(t, "", "jwt issue --profile keys", "issues nothing")
	s.write(t, "key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	s.write(t, "text", "hello")
	s.refuses(t, "", "profile create --name x --trust-anchors @key.pem"+rest, "leave certificates alone in it")
	s.refuses(t, "", "profile create --name x --trust-anchors @text"+rest, "holds no certificate")
	s.refuses(t, "", "profile create --name x --trust-anchors @absent"+rest, "--trust-anchors: no file")
}
