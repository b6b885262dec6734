package jwk_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// RFC 9278 section 5, with the key of RFC 7638 section 3.1.
func TestThumbprintURI(t *testing.T) {
	t.Parallel()
	key, err := jwk.Parse([]byte(`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}`))
	require.NoError(t, err)
	assert.Equal(t, "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", key.ThumbprintURI())
}

func setKeys(t *testing.T, ids ...string) []*jwk.Key {
	t.Helper()
	var keys []*jwk.Key
	for i, id := range ids {
		secret := []byte(fmt.Sprintf("%032d", i))
		key, err := jwk.FromMaterial(secret, jwk.Attributes{ID: id})
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

const edOfSet = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"b"}`

const ecOfSet = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","kid":"a"}`

func TestMarshalPublicSet_SameBytesInAnyOrder(t *testing.T) {
	t.Parallel()
	var keys []*jwk.Key
	for _, text := range []string{edOfSet, ecOfSet, strings.Replace(edOfSet, `,"kid":"b"`, "", 1), strings.Replace(ecOfSet, `,"kid":"a"`, "", 1)} {
		key, err := jwk.Parse([]byte(text))
		require.NoError(t, err)
		keys = append(keys, key)
	}
	first, err := jwk.MarshalPublicSet(keys)
	require.NoError(t, err)
	assert.NotContains(t, string(first), `"d"`)
	for range keys {
		keys = append(keys[1:], keys[0])
		again, err := jwk.MarshalPublicSet(keys)
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
		require.Equal(t, jwk.ETag(first), jwk.ETag(again))
	}
	assert.Regexp(t, `^"[A-Za-z0-9_-]{43}"$`, jwk.ETag(first))
	fewer, err := jwk.MarshalPublicSet(keys[1:])
	require.NoError(t, err)
	assert.NotEqual(t, jwk.ETag(first), jwk.ETag(fewer))
	set, err := jwk.ParseSet(first)
	require.NoError(t, err)
	assert.Len(t, set.Keys, len(keys))
	assert.Empty(t, set.Refused)
	empty, err := jwk.MarshalPublicSet(nil)
	require.NoError(t, err)
	assert.True(t, bytes.Equal([]byte(`{"keys":[]}`), empty))
}

func TestMarshalPrivateSet(t *testing.T) {
	t.Parallel()
	keys := setKeys(t, "b", "a", "", "")
	text, err := jwk.MarshalPrivateSet(keys)
	require.NoError(t, err)
	set, err := jwk.ParseSet(text)
	require.NoError(t, err)
	require.Len(t, set.Keys, len(keys))
	found, ok := set.Find("a")
	require.True(t, ok)
	assert.Equal(t, keys[1].Secret(), found.Secret())

	_, err = jwk.MarshalPublicSet(keys)
	assertCode(t, err, "key_mismatch")
	ec, err := jwk.Parse([]byte(ecOfSet))
	require.NoError(t, err)
	_, err = jwk.MarshalPrivateSet([]*jwk.Key{keys[0], ec})
	assertCode(t, err, "invalid_jwk")
	public, err := ec.Public()
	require.NoError(t, err)
	_, err = jwk.MarshalPrivateSet([]*jwk.Key{public})
	assertCode(t, err, "key_mismatch")
}

// What no reader of ours takes is not written.
func TestMarshalSet_RefusesWhatParseSetRefuses(t *testing.T) {
	t.Parallel()
	_, err := jwk.MarshalPrivateSet(setKeys(t, "a", "b", "a"))
	assertCode(t, err, "invalid_jwk")
	_, err = jwk.MarshalPrivateSet(slices.Repeat(setKeys(t, ""), jwk.MaxSetKeys+1))
	assertCode(t, err, "invalid_jwk")
	_, err = jwk.MarshalPrivateSet(slices.Repeat(setKeys(t, strings.Repeat("i", 2000)), jwk.MaxSetKeys))
	assertCode(t, err, "invalid_jwk")
}
