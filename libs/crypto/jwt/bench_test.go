package jwt_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// BenchmarkES256 compares with the bare primitive and base64 of what it signs, and with go-jose, which signs the claims as they are given to it and
// looks at none when it verifies.
func BenchmarkES256(b *testing.B) {
	key := ecKey(b)
	private, ok := key.Material().(*ecdsa.PrivateKey)
	require.True(b, ok)
	a := authority(b, profile(), start)
	c := jwt.Claims{Subject: "00000000-0000-0000-0000-000000000000", Extra: map[string]any{"scope": "read write"}}
	token, _, err := a.Issue(key, c)
	require.NoError(b, err)
	parts := strings.Split(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(b, err)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(b, err)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(b, err)
	b.Run("issue/primitive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
			digest := sha256.Sum256([]byte(text))
			r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
			require.NoError(b, err)
			raw := make([]byte, 64)
			_ = text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(raw[:32]), s.FillBytes(raw[32:])...))
		}
	})
	b.Run("issue/jwt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := a.Issue(key, c)
			require.NoError(b, err)
		}
	})
	b.Run("issue/go-jose", func(b *testing.B) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: key.ID}}, nil)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			signed, err := signer.Sign(payload)
			require.NoError(b, err)
			_, err = signed.CompactSerialize()
			require.NoError(b, err)
		}
	})
	b.Run("verify/primitive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			cut := strings.LastIndexByte(token, '.')
			digest := sha256.Sum256([]byte(token[:cut]))
			_, err := base64.RawURLEncoding.DecodeString(parts[1])
			require.NoError(b, err)
			_, err = base64.RawURLEncoding.DecodeString(parts[2])
			require.NoError(b, err)
			require.True(b, ecdsa.Verify(&private.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])))
		}
	})
	b.Run("verify/go-jose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
			require.NoError(b, err)
			_, err = signed.Verify(&private.PublicKey)
			require.NoError(b, err)
		}
	})
	b.Run("verify/jwt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := a.Verify(key, token)
			require.NoError(b, err)
		}
	})
}
