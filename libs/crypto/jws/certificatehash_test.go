package jws_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

func TestCertificateHash_IsThatOfTheKeysCertificateAndNeverSHA1(t *testing.T) {
	t.Parallel()
	plain := newKey(t, spec(t, "ES256"))
	leaf := certificate(t, plain)
	attributes := plain.Attributes
	attributes.Certificates = [][]byte{leaf}
	key, err := jwk.FromMaterial(plain.Material(), attributes)
	require.NoError(t, err)
	sum := sha256.Sum256(leaf)
	want := base64.RawURLEncoding.EncodeToString(sum[:])

	token, err := jws.Sign(key, jws.Header{}, []byte("hi"))
	require.NoError(t, err)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(header, &members))
	assert.Equal(t, map[string]any{"alg": "ES256", "kid": "k1", "x5t#S256": want}, members)
	_, h, err := jws.Verify(plain, token, jws.Expect{})
	require.NoError(t, err, "it is told to the caller, and decides nothing")
	assert.Equal(t, want, h.CertificateHash)

	token, err = jws.Sign(key, jws.Header{Chain: [][]byte{leaf}}, []byte("hi"))
	require.NoError(t, err)
	_, _, err = jws.Verify(plain, token, jws.Expect{})
	assertCode(t, err, "invalid_jws")
	_, h, err = jws.Verify(plain, token, jws.Expect{Allow: jws.Allow{EmbeddedChain: true}})
	require.NoError(t, err)
	assert.Equal(t, [][]byte{leaf}, h.Chain)

	draft := jws.Draft{Serialization: jws.General, Payload: []byte("hi"), Signers: []jws.Signer{{Key: key}, {Key: plain}}}
	text, err := draft.Sign()
	require.NoError(t, err)
	message, err := jws.Parse(text, jws.Allow{})
	require.NoError(t, err)
	assert.Equal(t, []string{want, ""}, []string{message.Signatures[0].Protected.CertificateHash, message.Signatures[1].Protected.CertificateHash})
}

func TestCertificateHash_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "ES256"))
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size))
	for what, h := range map[string]jws.Header{
		"as an extra member":              {Extra: map[string]any{"x5t#S256": zero}},
		"the SHA-1 hash":                  {Extra: map[string]any{"x5t": "AAAA"}},
		"of another certificate than x5c": {Chain: [][]byte{certificate(t, key)}, CertificateHash: zero},
	} {
		_, err := jws.Sign(key, h, []byte("hi"))
		assertCode(t, err, "invalid_input")
		assert.Error(t, err, what)
	}
	for _, value := range []string{`1`, `null`, `""`, `"AAAA"`, `"` + zero + `="`, `"` + zero[:42] + `B"`, `"` + zero + `AAAA"`} {
		_, err := jws.ParseHeader(encode(`{"alg":"ES256","x5t#S256":`+value+`}`) + ".AAAA.AAAA")
		assertCode(t, err, "invalid_jws")
	}
}
