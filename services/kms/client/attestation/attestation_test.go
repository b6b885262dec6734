package attestation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

	"github.com/cryptoutil/cryptoutil/services/kms/client/attestation"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// authority signs statements, and has a set with its public key beside others.
func authority(t *testing.T, id string) (key *jwk.Key, set []byte) {
	t.Helper()
	spec, err := alg.ParseSpec("Ed25519", 0, "")
	require.NoError(t, err)
	var publics []json.RawMessage
	for _, name := range []string{"older", id} {
		key, err = keygen.Generate(spec)
		require.NoError(t, err)
		key.ID = name
		public, err := key.MarshalPublic()
		require.NoError(t, err)
		publics = append(publics, public)
	}
	set, err = json.Marshal(map[string]any{"keys": publics})
	require.NoError(t, err)
	return key, set
}

func sign(t *testing.T, key *jwk.Key, typ, payload string) string {
	t.Helper()
	text, err := jws.Sign(key, jws.Header{Algorithm: "Ed25519", KeyID: key.ID, Type: typ}, []byte(payload))
	require.NoError(t, err)
	return text
}

const said = `{"tenant":"default","elastic_key_id":"k","kid":"k.1","version":1,"algorithm":"ES256","curve":"P-256","use":"sign","origin":"generated",` +
	`"exportable":true,"jwk_thumbprint":"t","created_at":"2026-11-02T09:30:00.000001Z","fips_module":"m","fips_module_version":"v1.0.0",` +
	`"service_version":"v2","iat":1793611800,"member_of_a_later_version":1}`

func TestVerify_ReadsWhatWasSigned(t *testing.T) {
	t.Parallel()
	key, set := authority(t, "a")
	got, err := attestation.Verify(sign(t, key, attestation.Type, said), set)
	require.NoError(t, err)
	assert.Equal(t, "k.1", got.KID)
	assert.Equal(t, "P-256", got.Curve)
	assert.True(t, got.Exportable)
	assert.Equal(t, 2026, got.CreatedAt.Year())
}

func TestVerify_TakesNothingElse(t *testing.T) {
	t.Parallel()
	key, set := authority(t, "a")
	impostor, foreign := authority(t, "a")
	stranger, _ := authority(t, "b")
	good := sign(t, key, attestation.Type, said)
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		statement string
		want      error
	}{
		"the key's name with another key": {sign(t, impostor, attestation.Type, said), attestation.ErrNotVerified},
		"another key":                     {sign(t, stranger, attestation.Type, said), attestation.ErrUnknownKey},
		"another type":                    {sign(t, key, "JWT", said), attestation.ErrNotVerified},
		"no type":                         {sign(t, key, "", said), attestation.ErrNotVerified},
		"no object":                       {sign(t, key, attestation.Type, `[]`), attestation.ErrNotVerified},
		"other content":                   {parts[0] + ".e30." + parts[2], attestation.ErrNotVerified},
		"cut":                             {parts[0] + "." + parts[1], attestation.ErrNotVerified},
		"text":                            {"hello", attestation.ErrNotVerified},
		"nothing":                         {"", attestation.ErrNotVerified},
	} {
		_, err := attestation.Verify(c.statement, set)
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := attestation.Verify(good, foreign)
	require.ErrorIs(t, err, attestation.ErrNotVerified)
	_, err = attestation.Verify(good, []byte(`{"keys":[]}`))
	require.ErrorIs(t, err, attestation.ErrUnknownKey)
	_, err = attestation.Verify(good, []byte(`{}`))
	require.ErrorContains(t, err, "attestation keys")
}

func TestIsOf_ComparesThumbprints(t *testing.T) {
	t.Parallel()
	key, _ := authority(t, "a")
	other, _ := authority(t, "b")
	public, err := key.MarshalPublic()
	require.NoError(t, err)
	for _, c := range []struct {
		thumbprint string
		is         bool
	}{{key.ThumbprintSHA256(), true}, {other.ThumbprintSHA256(), false}, {"", false}} {
		is, err := attestation.Statement{JWKThumbprint: c.thumbprint}.IsOf(public)
		require.NoError(t, err)
		assert.Equal(t, c.is, is)
	}
	_, err = attestation.Statement{}.IsOf([]byte("{}"))
	require.Error(t, err)
}
