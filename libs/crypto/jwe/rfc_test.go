package jwe_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func parseKey(t testing.TB, text string) *jwk.Key {
	t.Helper()
	key, err := jwk.Parse([]byte(text))
	require.NoError(t, err)
	return key
}

// RFC 7516 appendix A.3; A.1 and A.2, and RFC 7517 appendix C, use algorithms that are refused.
func TestDecrypt_RFC7516(t *testing.T) {
	t.Parallel()
	key := parseKey(t, `{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg"}`)
	plaintext, h, err := jwe.Decrypt(key, "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0."+
		"6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ."+
		"AxY8DCtDaGlsbGljb3RoZQ."+
		"KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY."+
		"U0m_YmjN04DJvceFICbCVQ", jwe.Expect{Algorithm: "A128KW"})
	require.NoError(t, err)
	assert.Equal(t, "Live long and prosper.", string(plaintext))
	assert.Equal(t, jwe.Header{Algorithm: "A128KW", Encryption: "A128CBC-HS256"}, h)

	for name, header := range map[string]string{
		"A.1": "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ",
		"A.2": "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0",
	} {
		_, _, err := jwe.Decrypt(key, header+".AAAA.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGSw.U0m_YmjN04DJvceFICbCVQ", jwe.Expect{Algorithm: "A128KW"})
		assertCode(t, err, "unsupported_algorithm")
		assert.ErrorContains(t, err, "refused", name)
	}
	encrypted := encode(`{"alg":"PBES2-HS256+A128KW","p2s":"2WCTcJZ1Rvd_CJuJripQ1w","p2c":4096,"enc":"A128CBC-HS256","cty":"jwk+json"}`)
	_, _, err = jwe.DecryptKey(key, encrypted+".AAAA.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGSw.U0m_YmjN04DJvceFICbCVQ", jwe.Expect{Algorithm: "A128KW"})
	assertCode(t, err, "invalid_jwe")
	assert.ErrorContains(t, err, "password-based encryption is refused")
}

// RFC 7520 section 5.6: direct encryption, the key's "alg" being the content encryption.
func TestDecrypt_RFC7520Direct(t *testing.T) {
	t.Parallel()
	key := parseKey(t, `{"kty":"oct","kid":"77c7e2b8-6e13-45cf-8672-617b5b45243a","use":"enc","alg":"A128GCM","k":"XctOhJAkA-pD9Lh7ZgW_2A"}`)
	message, err := jwe.Encrypt(key, jwe.Header{}, []byte("text"))
	require.NoError(t, err)
	h, err := jwe.ParseHeader(message)
	require.NoError(t, err)
	assert.Equal(t, jwe.Header{Algorithm: "dir", Encryption: "A128GCM", KeyID: key.ID}, h)
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "A128KW"})
	assertCode(t, err, "key_mismatch")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Encryption: "A256GCM"})
	assertCode(t, err, "key_mismatch")
}
