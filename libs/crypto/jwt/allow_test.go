package jwt_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// What a header brings is admitted by the profile alone, and the key that verifies stays the caller's.
func TestAllow_IsWhatHeadersMayBring(t *testing.T) {
	t.Parallel()
	key, other := ecKey(t), ecKey(t)
	const payload = `{"iss":"https://issuer","aud":"https://a","exp":1800000060}`
	bringing := token(t, key, jws.Header{Type: "test+jwt", Key: key}, payload)
	linking := token(t, key, jws.Header{Type: "test+jwt", KeySetURL: "https://issuer/jwks"}, payload)
	strict := authority(t, profile(), start)
	for _, text := range []string{bringing, linking} {
		_, err := strict.Verify(key, text)
		assertReason(t, err, jwt.Malformed)
	}
	p := profile()
	p.Allow = jws.Allow{EmbeddedKey: true}
	a := authority(t, p, start)
	_, err := a.Verify(key, bringing)
	require.NoError(t, err)
	_, err = a.Verify(key, linking)
	assertReason(t, err, jwt.Malformed, "another member")
	_, err = a.Verify(other, bringing)
	assertReason(t, err, jwt.Malformed, "a header that brings another key than the caller's")
	_, err = a.Verify(key, token(t, other, jws.Header{Type: "test+jwt"}, payload))
	assertReason(t, err, jwt.BadSignature)
	p.Allow = jws.Allow{KeyURLs: true}
	got, err := authority(t, p, start).Verify(key, linking)
	require.NoError(t, err)
	assert.Equal(t, "https://issuer", got.Issuer)
}
