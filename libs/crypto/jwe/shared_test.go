package jwe_test

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Messages share buffers one after the other; what was handed out must not change by it.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"A256GCM/dir", "A256GCM/A256KW", "A128CBC-HS256/A128GCMKW"} {
		s := spec(t, algorithm)
		key := newKey(t, s)
		var wait sync.WaitGroup
		for worker := range 8 {
			wait.Go(func() { exchange(t, key, jwe.Header{Encryption: s.ContentEncryption}, byte(worker)) })
		}
		wait.Wait()
	}
}

func exchange(t *testing.T, key *jwk.Key, h jwe.Header, worker byte) {
	t.Helper()
	var opened [][]byte
	for i := range 100 {
		message, err := jwe.Encrypt(key, h, bytes.Repeat([]byte{worker}, 7*i))
		assert.NoError(t, err)
		plaintext, got, err := jwe.Decrypt(key, message, jwe.Expect{})
		assert.NoError(t, err)
		assert.Equal(t, "k1", got.KeyID)
		opened = append(opened, plaintext)
	}
	for i, plaintext := range opened {
		assert.True(t, bytes.Equal(bytes.Repeat([]byte{worker}, 7*i), plaintext))
	}
}

// No encrypted key is longer than an RSA modulus: what is, is neither decoded nor kept for the next message.
func TestDecrypt_LongEncryptedKeyCostsNothing(t *testing.T) { //nolint:paralleltest // counts what the whole process allocates
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	message, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM"}, nil)
	require.NoError(t, err)
	header, rest, _ := strings.Cut(message, ".")
	_, rest, _ = strings.Cut(rest, ".")
	message = header + "." + strings.Repeat("A", 8<<20) + "." + rest
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, jwe.ErrDecryption)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}
