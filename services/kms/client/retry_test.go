package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestRetry_KeepsTheIdempotencyKeyOfACall(t *testing.T) {
	t.Parallel()
	script := []http.HandlerFunc{double.HangUp, double.OK(keyJSON), double.OK(keyJSON), double.Refuse(503, "overloaded"), double.OK(versionJSON), double.OK(`{"plaintext":"eA"}`)}
	s := double.Serve(t, script...)
	kms := dial(t, s, nil)
	spec := client.CreateElasticKey{Name: "payroll", Algorithm: "A256GCM/A256KW"}
	for range 2 {
		_, err := kms.CreateKey(t.Context(), spec)
		require.NoError(t, err)
	}
	_, err := kms.RotateKey(t.Context(), "payroll")
	require.NoError(t, err)
	_, err = kms.Decrypt(t.Context(), "payroll", "a.b.c.d.e", nil)
	require.NoError(t, err)

	seen := s.Requests()
	require.Len(t, seen, 6)
	var keys []string
	for _, r := range seen {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
	}
	assert.Equal(t, keys[0], keys[1])
	assert.NotEqual(t, keys[1], keys[2])
	assert.Equal(t, keys[3], keys[4])
	assert.NotEqual(t, keys[2], keys[3])
	assert.GreaterOrEqual(t, len(keys[0]), 26, "128 bits in base32")
	assert.Empty(t, keys[5], "decrypting changes nothing")
	assert.Equal(t, seen[0].Body, seen[1].Body)
}
