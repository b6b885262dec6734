package jws_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

func BenchmarkES256(b *testing.B) {
	key := newKey(b, spec(b, "ES256"))
	private, ok := key.Material().(*ecdsa.PrivateKey)
	require.True(b, ok)
	payload := make([]byte, 256)
	digest := sha256.Sum256(payload)
	token, err := jws.Sign(key, jws.Header{}, payload)
	require.NoError(b, err)
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
	require.NoError(b, err)
	b.Run("sign/ecdsa", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
			require.NoError(b, err)
		}
	})
	b.Run("sign/jws", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := jws.Sign(key, jws.Header{}, payload)
			require.NoError(b, err)
		}
	})
	b.Run("verify/ecdsa", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.True(b, ecdsa.VerifyASN1(&private.PublicKey, digest[:], signature))
		}
	})
	b.Run("verify/jws", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := jws.Verify(key, token, jws.Expect{})
			require.NoError(b, err)
		}
	})
}

func BenchmarkOthers(b *testing.B) {
	for _, algorithm := range []string{"HS256", "Ed25519"} {
		key := newKey(b, spec(b, algorithm))
		payload := make([]byte, 256)
		token, err := jws.Sign(key, jws.Header{}, payload)
		require.NoError(b, err)
		b.Run(algorithm+"/sign", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := jws.Sign(key, jws.Header{}, payload)
				require.NoError(b, err)
			}
		})
		b.Run(algorithm+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := jws.Verify(key, token, jws.Expect{})
				require.NoError(b, err)
			}
		})
	}
}
