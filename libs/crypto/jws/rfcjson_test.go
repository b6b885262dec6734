package jws_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

func parse(t *testing.T, text string) *jws.Message {
	t.Helper()
	m, err := jws.Parse([]byte(text), jws.Allow{})
	require.NoError(t, err, text)
	return m
}

// RFC 7515 appendices A.6 and A.7.
func TestMessage_RFC7515(t *testing.T) {
	t.Parallel()
	const ecID, rsaID = "e9bc097a-ce51-4036-9562-d2ade882db0d", "2010-12-29"
	m := parse(t, fmt.Sprintf(`{
		"payload": %q,
		"signatures": [
			{"protected": "eyJhbGciOiJSUzI1NiJ9", "header": {"kid": %q}, "signature": %q},
			{"protected": "eyJhbGciOiJFUzI1NiJ9", "header": {"kid": %q}, "signature": %q}
		]}`, claims, rsaID, signatureA2, ecID, signatureA3))
	assert.Equal(t, jws.General, m.Serialization)
	require.Len(t, m.Signatures, 2)
	for i, c := range []struct{ id, algorithm, key string }{{rsaID, "RS256", keyA2}, {ecID, "ES256", ecSigner}} {
		assert.Equal(t, c.id, m.Signatures[i].KeyID())
		assert.Equal(t, c.algorithm, m.Signatures[i].Algorithm())
		payload, h, err := m.Verify(i, parseKey(t, c.key), jws.Expect{Algorithm: c.algorithm})
		require.NoError(t, err)
		assert.True(t, bytes.Equal([]byte(claimsText), payload))
		assert.Equal(t, jws.Header{Algorithm: c.algorithm}, h)
	}
	_, _, err := m.Verify(0, parseKey(t, ecSigner), jws.Expect{Algorithm: "ES256"})
	assertCode(t, err, "invalid_jws")

	m = parse(t, fmt.Sprintf(`{"payload":%q,"protected":"eyJhbGciOiJFUzI1NiJ9","header":{"kid":%q},"signature":%q}`, claims, ecID, signatureA3))
	assert.Equal(t, jws.Flattened, m.Serialization)
	_, _, err = m.Verify(0, parseKey(t, ecSigner), jws.Expect{Algorithm: "ES256"})
	require.NoError(t, err)
}

// RFC 7515 appendix E: a "crit" that nobody knows.
func TestVerify_RFC7515UnknownExtension(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA."
	_, _, err := jws.Verify(parseKey(t, keyA1), token, jws.Expect{Algorithm: "HS256"})
	assertCode(t, err, "invalid_jws")
	_, _, err = jws.Verify(parseKey(t, keyA1), token, jws.Expect{Algorithm: "HS256", Allow: jws.Allow{Critical: []string{"http://example.com/UNDEFINED"}}})
	assertCode(t, err, "unsupported_algorithm") // and the "alg" is none
}

const (
	frodo     = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
	frodoText = "It\u2019s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep your feet, there\u2019s no knowing where you might be swept off to."

	hmacID   = "018c0ae5-4d9b-471b-bfd6-eef314bc7037"
	hmacKey  = `{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}`
	bilbo    = "bilbo.baggins@hobbiton.example"
	rsaBilbo = `{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}`
	ecBilbo  = `{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}`

	hmacProtected = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9"
	hmacSignature = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
)

// RFC 7520 section 4.5, detached content, in every serialization; signing gives the same text.
func TestDetached_RFC7520(t *testing.T) {
	t.Parallel()
	key := parseKey(t, hmacKey)
	const compact = hmacProtected + ".." + hmacSignature
	flattened := fmt.Sprintf(`{"protected":%q,"signature":%q}`, hmacProtected, hmacSignature)
	general := fmt.Sprintf(`{"signatures":[{"protected":%q,"signature":%q}]}`, hmacProtected, hmacSignature)
	for form, text := range map[jws.Serialization]string{jws.Compact: compact, jws.Flattened: flattened, jws.General: general} {
		m := parse(t, text)
		assert.True(t, m.Detached)
		assert.Equal(t, form, m.Serialization)
		_, _, err := m.Verify(0, key, jws.Expect{})
		assert.Equal(t, jws.ErrVerification, err, "without its payload")
		require.NoError(t, m.Attach([]byte(frodoText)))
		payload, h, err := m.Verify(0, key, jws.Expect{})
		require.NoError(t, err)
		assert.Equal(t, frodoText, string(payload))
		assert.Equal(t, hmacID, h.KeyID)

		draft := jws.Draft{Serialization: form, Payload: []byte(frodoText), Detached: true, Signers: []jws.Signer{{Key: key}}}
		made, err := draft.Sign()
		require.NoError(t, err)
		assert.Equal(t, text, string(made))
	}
	_, err := jws.VerifyDetached(key, compact, []byte(frodoText), jws.Expect{})
	require.NoError(t, err)
	_, err = jws.VerifyDetached(key, compact, []byte(frodoText+"!"), jws.Expect{})
	assert.Equal(t, jws.ErrVerification, err)
	made, err := jws.SignDetached(key, jws.Header{}, []byte(frodoText))
	require.NoError(t, err)
	assert.Equal(t, compact, made)
	_, err = jws.VerifyDetached(key, hmacProtected+"."+frodo+"."+hmacSignature, []byte(frodoText), jws.Expect{})
	assertCode(t, err, "invalid_jws")
	_, err = jws.VerifyDetached(key, compact+".", nil, jws.Expect{})
	assertCode(t, err, "invalid_jws")
	_, err = jws.VerifyDetached(key, compact, nil, jws.Expect{Algorithm: "HS512"})
	assertCode(t, err, "key_mismatch")
}

// RFC 7520 sections 4.6 to 4.8: unprotected members, no protected header, several signatures.
func TestMessage_RFC7520(t *testing.T) {
	t.Parallel()
	some := fmt.Sprintf(`{"protected":"eyJhbGciOiJIUzI1NiJ9","header":{"kid":%q},"signature":"bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20"}`, hmacID)
	none := fmt.Sprintf(`{"header":{"alg":"HS256","kid":%q},"signature":"xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk"}`, hmacID)
	for _, one := range []string{some, none} {
		for _, text := range []string{fmt.Sprintf(`{"payload":%q,"signatures":[%s]}`, frodo, one), fmt.Sprintf(`{"payload":%q,%s`, frodo, one[1:])} {
			m := parse(t, text)
			assert.Equal(t, hmacID, m.Signatures[0].KeyID())
			assert.Equal(t, "HS256", m.Signatures[0].Algorithm())
			payload, h, err := m.Verify(0, parseKey(t, hmacKey), jws.Expect{})
			require.NoError(t, err)
			assert.Equal(t, frodoText, string(payload))
			assert.Empty(t, h.KeyID, "what is not protected is not vouched for")
			assert.Equal(t, one == none, h.Algorithm == "")
		}
	}

	m := parse(t, fmt.Sprintf(`{"payload":%q,"signatures":[
		{"protected":"eyJhbGciOiJSUzI1NiJ9","header":{"kid":%q},"signature":"MIsjqtVlOpa71KE-Mss8_Nq2YH4FGhiocsqrgi5NvyG53uoimic1tcMdSg-qptrzZc7CG6Svw2Y13TDIqHzTUrL_lR2ZFcryNFiHkSw129EghGpwkpxaTn_THJTCglNbADko1MZBCdwzJxwqZc-1RlpO2HibUYyXSwO97BSe0_evZKdjvvKSgsIqjytKSeAMbhMBdMma622_BG5t4sdbuCHtFjp9iJmkio47AIwqkZV1aIZsv33uPUqBBCXbYoQJwt7mxPftHmNlGoOSMxR_3thmXTCm4US-xiNOyhbm8afKK64jU6_TPtQHiJeQJxz9G3Tx-083B745_AfYOnlC9w"},
		{"header":{"alg":"ES512","kid":%q},"signature":"ARcVLnaJJaUWG8fG-8t5BREVAuTY8n8YHjwDO1muhcdCoFZFFjfISu0Cdkn9Ybdlmi54ho0x924DUz8sK7ZXkhc7AFM8ObLfTvNCrqcI3Jkl2U5IX3utNhODH6v7xgy1Qahsn0fyb4zSAkje8bAWz4vIfj5pCMYxxm4fgV3q7ZYhm5eD"},
		{"protected":%q,"signature":%q}]}`, frodo, bilbo, bilbo, hmacProtected, hmacSignature))
	for i, c := range []struct{ key, algorithm string }{{rsaBilbo, "RS256"}, {ecBilbo, "ES512"}, {hmacKey, "HS256"}} {
		payload, _, err := m.Verify(i, parseKey(t, c.key), jws.Expect{Algorithm: c.algorithm})
		require.NoError(t, err, c.algorithm)
		assert.Equal(t, frodoText, string(payload))
	}
	_, _, err := m.Verify(1, parseKey(t, ecBilbo), jws.Expect{Algorithm: "ES384"})
	assertCode(t, err, "key_mismatch")
}

// RFC 7797 section 4: the same payload encoded and as it stands; signing gives the same texts.
func TestUnencoded_RFC7797(t *testing.T) {
	t.Parallel()
	key := parseKey(t, keyA1)
	const (
		payload   = "$.02"
		protected = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19"
		signature = "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"
	)
	token, err := jws.Sign(key, jws.Header{Algorithm: "HS256"}, []byte(payload))
	require.NoError(t, err)
	assert.Equal(t, "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ", token)

	header := jws.Header{Algorithm: "HS256", Unencoded: true}
	token, err = jws.SignDetached(key, header, []byte(payload))
	require.NoError(t, err)
	assert.Equal(t, protected+".."+signature, token)
	unencoded := jws.Expect{Algorithm: "HS256", Allow: jws.Allow{Unencoded: true}}
	h, err := jws.VerifyDetached(key, token, []byte(payload), unencoded)
	require.NoError(t, err)
	assert.Equal(t, header, h)
	_, err = jws.VerifyDetached(key, token, []byte(payload), jws.Expect{Algorithm: "HS256"})
	assertCode(t, err, "invalid_jws") // nobody asked for it

	text := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, payload, protected, signature)
	draft := jws.Draft{Serialization: jws.Flattened, Payload: []byte(payload), Signers: []jws.Signer{{Key: key, Protected: header}}}
	made, err := draft.Sign()
	require.NoError(t, err)
	assert.Equal(t, text, string(made))
	m, err := jws.Parse(made, unencoded.Allow)
	require.NoError(t, err)
	got, _, err := m.Verify(0, key, unencoded)
	require.NoError(t, err)
	assert.Equal(t, payload, string(got))
	_, _, err = m.Verify(0, key, jws.Expect{Algorithm: "HS256"})
	assertCode(t, err, "invalid_jws")
}
