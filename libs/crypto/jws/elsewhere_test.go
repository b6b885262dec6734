package jws_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

// keep makes a key of an algorithm and what others have of it.
func keep(t *testing.T, algorithm string) (private, public *jwk.Key) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	private, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = private.Public()
	require.NoError(t, err)
	return private, public
}

// by signs with a key that is elsewhere.
func by(private *jwk.Key, algorithm string) jwk.SignFunc {
	format := jws.FormatRaw
	if algorithm[0] == 'E' && algorithm[1] == 'S' {
		format = jws.FormatP1363
	}
	return func(message []byte) ([]byte, error) {
		return jws.SignRaw(private, algorithm, jws.InputMessage, message, format)
	}
}

func TestElsewhere_SignsInEverySerializationAsAKeyThatIsHere(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "Ed25519", "PS256", "RS256"} {
		private, public := keep(t, algorithm)
		signer, err := public.SignedBy(by(private, algorithm))
		require.NoError(t, err)
		compact, err := jws.Sign(signer, jws.Header{KeyID: "k"}, []byte("hello"))
		require.NoError(t, err, algorithm)
		payload, _, err := jws.Verify(public, compact, jws.Expect{})
		require.NoError(t, err, algorithm)
		assert.Equal(t, "hello", string(payload))
		draft := jws.Draft{Serialization: jws.Flattened, Payload: []byte("hello"), Signers: []jws.Signer{{Key: signer}}}
		text, err := draft.Sign()
		require.NoError(t, err, algorithm)
		message, err := jws.Parse(text, jws.Allow{})
		require.NoError(t, err)
		_, _, err = message.Verify(0, public, jws.Expect{})
		require.NoError(t, err, algorithm)
	}
}

func TestElsewhere_BelievesNoSignatureThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	_, public := keep(t, "ES256")
	stranger, _ := keep(t, "ES256")
	away := errors.New("away")
	for what, c := range map[string]struct {
		sign jwk.SignFunc
		want error
	}{
		"another key":  {by(stranger, "ES256"), jws.ErrForeignSignature},
		"nothing":      {func([]byte) ([]byte, error) { return nil, nil }, jws.ErrForeignSignature},
		"octets":       {func([]byte) ([]byte, error) { return make([]byte, 64), nil }, jws.ErrForeignSignature},
		"nobody there": {func([]byte) ([]byte, error) { return nil, away }, away},
	} {
		signer, err := public.SignedBy(c.sign)
		require.NoError(t, err)
		token, err := jws.Sign(signer, jws.Header{}, []byte("hello"))
		require.ErrorIs(t, err, c.want, what)
		assert.Empty(t, token, what)
	}
}

func TestElsewhere_StaysAPublicKey(t *testing.T) {
	t.Parallel()
	private, public := keep(t, "ES256")
	_, err := private.SignedBy(by(private, "ES256"))
	require.Error(t, err, "it has its private part")
	_, err = public.SignedBy(nil)
	require.Error(t, err, "by nobody")
	secret, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{Algorithm: "HS256"})
	require.NoError(t, err)
	_, err = secret.SignedBy(by(private, "ES256"))
	require.Error(t, err, "a secret has no public part")

	signer, err := public.SignedBy(by(private, "ES256"))
	require.NoError(t, err)
	assert.False(t, signer.IsPrivate())
	_, err = signer.MarshalPrivate()
	require.Error(t, err)
	plain, err := signer.Public()
	require.NoError(t, err)
	assert.Nil(t, plain.Elsewhere())
	_, err = jws.Sign(public, jws.Header{}, []byte("hello"))
	require.Error(t, err, "the key itself does not sign")
	_, err = jws.SignRaw(signer, "ES256", jws.InputDigest, make([]byte, 32), jws.FormatP1363)
	require.Error(t, err, "digests go where the key is")
	_, err = jws.SignRaw(signer, "ES256", jws.InputMessage, []byte("m"), jws.FormatDER)
	require.Error(t, err, "as in a JWS alone")

	sealed, err := jwk.FromMaterial(public.Material(), jwk.Attributes{Algorithm: "ES256", Use: jwk.UseSignature, Operations: []string{jwk.OpVerify}})
	require.NoError(t, err)
	verifier, err := sealed.SignedBy(by(private, "ES256"))
	require.NoError(t, err)
	_, err = jws.Sign(verifier, jws.Header{}, []byte("hello"))
	require.Error(t, err, "key_ops say verify alone")
}
