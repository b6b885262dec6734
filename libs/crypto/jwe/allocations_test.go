//go:build !race

// The race detector makes sync.Pool forget at random, and allocates by itself.

package jwe_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
)

// The hot path makes the result and the prepared ciphers of a fresh key, and nothing else.
func TestAllocations(t *testing.T) { //nolint:paralleltest // counts what the whole process allocates
	for algorithm, most := range map[string]float64{"A256GCM/dir": 2, "A256GCM/A256KW": 4} {
		s := spec(t, algorithm)
		key := newKey(t, s)
		plaintext := make([]byte, 1024)
		h := jwe.Header{Encryption: s.ContentEncryption}
		message, err := jwe.Encrypt(key, h, plaintext)
		require.NoError(t, err)
		assert.LessOrEqual(t, testing.AllocsPerRun(200, func() { _, _ = jwe.Encrypt(key, h, plaintext) }), most, algorithm)
		assert.LessOrEqual(t, testing.AllocsPerRun(200, func() { _, _, _ = jwe.Decrypt(key, message, jwe.Expect{}) }), most+1, algorithm) // and the name of the content encryption
	}
}
