package jwt_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

func recipientKey(t *testing.T) *jwk.Key {
	t.Helper()
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return wrap(t, private, jwk.Attributes{ID: "r1", Algorithm: "ECDH-ES+A256KW"})
}

func nestedProfile() jwt.Profile {
	p := profile()
	p.Form = jwt.Nested
	p.KeyManagement, p.Encryptions = []string{"ECDH-ES+A256KW", "dir", "A256KW"}, []string{"A256GCM", "A128CBC-HS256"}
	return p
}

func encryptedProfile() jwt.Profile {
	p := nestedProfile()
	p.Form, p.Algorithms = jwt.Encrypted, nil
	return p
}

func TestNested(t *testing.T) {
	t.Parallel()
	signer, recipient := ecKey(t), recipientKey(t)
	public, err := recipient.Public()
	require.NoError(t, err)
	a := authority(t, nestedProfile(), start)
	text, issued, err := a.IssueNested(signer, public, jwt.Claims{Subject: "s"})
	require.NoError(t, err)
	h, err := jwe.ParseHeader(text)
	require.NoError(t, err)
	assert.Equal(t, "JWT", h.ContentType)
	assert.Equal(t, "A256GCM", h.Encryption)
	inner, err := a.Open(recipient, text)
	require.NoError(t, err)
	got, err := a.Verify(signer, inner)
	require.NoError(t, err)
	assert.Equal(t, issued, got)

	_, err = a.Open(recipientKey(t), text)
	assertReason(t, err, jwt.DecryptionFailed)
	_, err = a.Open(public, text)
	assertCode(t, err, "key_mismatch")
	_, err = a.Open(signer, text)
	assertCode(t, err, "key_mismatch")
	_, err = a.Open(recipient, inner)
	assertReason(t, err, jwt.Malformed)
	_, err = a.Open(recipient, strings.Repeat("a", jwt.MaxToken+1))
	assertReason(t, err, jwt.Malformed)
	_, err = a.Verify(signer, text)
	assertReason(t, err, jwt.Malformed)
	for name, h := range map[jwt.Reason]jwe.Header{
		jwt.WrongType:      {Encryption: "A256GCM"},
		jwt.WrongAlgorithm: {Encryption: "A256CBC-HS512", ContentType: "JWT"},
	} {
		other, err := jwe.Encrypt(public, h, []byte(inner))
		require.NoError(t, err)
		_, err = a.Open(recipient, other)
		assertReason(t, err, name)
	}
	other, err := jwe.Encrypt(public, jwe.Header{Encryption: "A256GCM"}, nil)
	require.NoError(t, err)
	rest := other[strings.IndexByte(other, '.'):]
	_, err = a.Open(recipient, encode(`{"alg":"ECDH-ES","enc":"A256GCM"}`)+rest)
	assertReason(t, err, jwt.WrongAlgorithm)
	_, err = a.Open(recipient, encode(`{"alg":"RSA1_5","enc":"A256GCM"}`)+rest)
	assertReason(t, err, jwt.WrongAlgorithm)

	_, _, err = a.IssueNested(recipient, public, jwt.Claims{})
	assertCode(t, err, "key_mismatch")
	_, _, err = a.IssueNested(signer, signer, jwt.Claims{})
	assertCode(t, err, "key_mismatch")
	_, _, err = a.IssueNested(signer, public, jwt.Claims{Extra: map[string]any{"x": strings.Repeat("x", jwt.MaxToken*2/3)}})
	assertCode(t, err, "invalid_input")
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	recipient := wrap(t, make([]byte, 32), jwk.Attributes{Algorithm: "A256GCM"})
	a := authority(t, encryptedProfile(), start)
	text, issued, err := a.IssueEncrypted(recipient, jwt.Claims{Subject: "s"})
	require.NoError(t, err)
	got, err := a.VerifyEncrypted(recipient, text)
	require.NoError(t, err)
	assert.Equal(t, issued, got)

	_, err = a.VerifyEncrypted(wrap(t, append(make([]byte, 31), 1), jwk.Attributes{Algorithm: "A256GCM"}), text)
	assertReason(t, err, jwt.DecryptionFailed)
	for reason, h := range map[jwt.Reason]jwe.Header{
		jwt.WrongType: {Type: "JWT"},
		jwt.Malformed: {Type: "test+jwt"},
	} {
		other, err := jwe.Encrypt(recipient, h, []byte("x"))
		require.NoError(t, err)
		_, err = a.VerifyEncrypted(recipient, other)
		assertReason(t, err, reason)
	}
	other, err := jwe.Encrypt(recipient, jwe.Header{Type: "test+jwt", ContentType: "JWT"}, []byte("x"))
	require.NoError(t, err)
	_, err = a.VerifyEncrypted(recipient, other)
	assertReason(t, err, jwt.WrongType)
	_, _, err = a.IssueEncrypted(recipient, jwt.Claims{ID: "mine"})
	assertCode(t, err, "invalid_input")

	free := wrap(t, make([]byte, 32), jwk.Attributes{})
	_, _, err = a.IssueEncrypted(free, jwt.Claims{})
	assertCode(t, err, "key_mismatch") // dir and A256KW
	p := encryptedProfile()
	p.KeyManagement = []string{"A256KW", "A256KW"}
	_, _, err = authority(t, p, start).IssueEncrypted(free, jwt.Claims{})
	require.NoError(t, err)
}

// Whoever can encrypt to a recipient cannot pass for whoever signs: the forms do not mix.
// Whoever has the public key can have a token inflate: as far as the profile says, and not at all unless it does.
func TestNested_CompressedAsFarAsTheProfileSays(t *testing.T) {
	t.Parallel()
	signer, recipient := ecKey(t), recipientKey(t)
	inner := authority(t, profile(), start)
	text, issued, err := inner.Issue(signer, jwt.Claims{Subject: strings.Repeat("Ada Lovelace ", 200)})
	require.NoError(t, err)
	sealed := func(plaintext string) string {
		message, err := jwe.Encrypt(recipient, jwe.Header{Encryption: "A256GCM", ContentType: "JWT", Compressed: true}, []byte(plaintext))
		require.NoError(t, err)
		return message
	}
	a := authority(t, nestedProfile(), start)
	_, err = a.Open(recipient, sealed(text))
	assertReason(t, err, jwt.Malformed, "nobody asked for it")

	p := nestedProfile()
	p.MaxInflated = len(text)
	a = authority(t, p, start)
	opened, err := a.Open(recipient, sealed(text))
	require.NoError(t, err)
	got, err := a.Verify(signer, opened)
	require.NoError(t, err)
	assert.Equal(t, issued, got)
	_, err = a.Open(recipient, sealed(text+"A"))
	assertReason(t, err, jwt.Malformed, "a byte too many")
	p.MaxInflated = jwt.MaxToken
	bomb := sealed(strings.Repeat("A", 40<<20))
	require.Less(t, len(bomb), jwt.MaxToken)
	_, err = authority(t, p, start).Open(recipient, bomb)
	assertReason(t, err, jwt.Malformed, "a bomb")

	for what, change := range map[string]func(*jwt.Profile){
		"less than nothing":     func(p *jwt.Profile) { p.MaxInflated = -1 },
		"more than a token has": func(p *jwt.Profile) { p.MaxInflated = jwt.MaxToken + 1 },
		"of what is not sealed": func(p *jwt.Profile) { *p = profile(); p.MaxInflated = 1 },
	} {
		p := nestedProfile()
		change(&p)
		_, err := jwt.New(p, fixed(start))
		require.Error(t, err, what)
		assertCode(t, err, "invalid_input")
	}
}

func TestForms_DoNotMix(t *testing.T) {
	t.Parallel()
	signer, recipient := ecKey(t), recipientKey(t)
	signed, nested, encrypted := authority(t, profile(), start), authority(t, nestedProfile(), start), authority(t, encryptedProfile(), start)
	text, _, err := encrypted.IssueEncrypted(recipient, jwt.Claims{})
	require.NoError(t, err)
	_, err = nested.Open(recipient, text)
	assertReason(t, err, jwt.WrongType)
	for _, call := range []func() error{
		func() error { _, err := nested.VerifyEncrypted(recipient, text); return err },
		func() error { _, err := signed.VerifyEncrypted(recipient, text); return err },
		func() error { _, err := signed.Open(recipient, text); return err },
		func() error { _, err := encrypted.Open(recipient, text); return err },
		func() error { _, err := encrypted.Verify(signer, text); return err },
		func() error { _, _, err := nested.Issue(signer, jwt.Claims{}); return err },
		func() error { _, _, err := signed.IssueNested(signer, recipient, jwt.Claims{}); return err },
		func() error { _, _, err := signed.IssueEncrypted(recipient, jwt.Claims{}); return err },
	} {
		assertCode(t, call(), "invalid_input")
	}
}
