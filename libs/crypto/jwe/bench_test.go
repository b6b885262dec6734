package jwe_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

const benchSize = 1 << 10

// The bare primitive with a key that is ready, and the same with base64: what dir is measured by.
func BenchmarkPrimitiveGCM(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 32))
	require.NoError(b, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	plaintext, aad := make([]byte, benchSize), make([]byte, 64)
	sealed := aead.Seal(nil, nil, plaintext, aad)
	text := []byte(base64.RawURLEncoding.EncodeToString(sealed))
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sealed = aead.Seal(sealed[:0], nil, plaintext, aad)
		}
	})
	b.Run("seal+base64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sealed = aead.Seal(sealed[:0], nil, plaintext, aad)
			_ = base64.RawURLEncoding.EncodeToString(sealed)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err = aead.Open(nil, nil, sealed, aad)
			require.NoError(b, err)
		}
	})
	b.Run("open+base64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			decoded := make([]byte, len(sealed))
			_, _ = base64.RawURLEncoding.Decode(decoded, text)
			_, err = aead.Open(decoded[:0], nil, sealed, aad)
			require.NoError(b, err)
		}
	})
}

// The bare primitives of A256KW with A256GCM: a fresh key, its wrapping, its cipher, base64.
func BenchmarkPrimitiveKW(b *testing.B) {
	kek, err := aes.NewCipher(make([]byte, 32))
	require.NoError(b, err)
	plaintext, aad := make([]byte, benchSize), make([]byte, 64)
	key := make([]byte, 32)
	b.Run("seal+base64", func(b *testing.B) {
		b.ReportAllocs()
		var sealed, wrapped []byte
		for b.Loop() {
			_, _ = rand.Read(key)
			wrapped, err = keywrap.AppendWrap(wrapped[:0], kek, key)
			require.NoError(b, err)
			block, err := aes.NewCipher(key)
			require.NoError(b, err)
			aead, err := cipher.NewGCMWithRandomNonce(block)
			require.NoError(b, err)
			sealed = aead.Seal(sealed[:0], nil, plaintext, aad)
			_ = base64.RawURLEncoding.EncodeToString(sealed)
		}
	})
}

func BenchmarkJWE(b *testing.B) {
	for _, algorithm := range []string{"A256GCM/dir", "A256GCM/A256KW", "A256GCM/A256GCMKW", "A256CBC-HS512/A256KW", "A256GCM/ECDH-ES"} {
		s := spec(b, algorithm)
		key := newKey(b, s)
		h := jwe.Header{Encryption: s.ContentEncryption}
		plaintext := make([]byte, benchSize)
		message, err := jwe.Encrypt(key, h, plaintext)
		require.NoError(b, err)
		b.Run(name(s)+"/encrypt", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := jwe.Encrypt(key, h, plaintext)
				require.NoError(b, err)
			}
		})
		b.Run(name(s)+"/decrypt", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := jwe.Decrypt(key, message, jwe.Expect{Encryption: s.ContentEncryption})
				require.NoError(b, err)
			}
		})
	}
}
