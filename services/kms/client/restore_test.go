package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// recipient is a key that backups are encrypted to.
func recipient(t *testing.T) (private, public *jwk.Key) {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "P-256")
	require.NoError(t, err)
	private, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = private.Public()
	require.NoError(t, err)
	return private, public
}

// A large backup goes in parts, each to a recipient of its own; what is done is counted, and told where a later part fails.
func TestRestore_GoesInParts(t *testing.T) {
	t.Parallel()
	private, public := recipient(t)
	var file bytes.Buffer
	head := backup.Head{Product: "kms", Tenant: "default", Instance: "i", CreatedAt: "2026-11-02T09:30:00Z"}
	require.NoError(t, backup.Write(t.Context(), &file, []*jwk.Key{public}, head, func(yield func([]byte, error) bool) {
		for n := range 4 {
			if !yield(fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", 1000)), nil) {
				return
			}
		}
	}))
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil }
	here, there := recipient(t)
	jwkText, err := json.Marshal(there)
	require.NoError(t, err)
	made := double.OK(`{"id":"r","jwk":` + string(jwkText) + `,"expires_at":"x"}`)
	restored := double.OK(`{"dry_run":false,"from_tenant":"default","keys":2,"versions":3,"restored":1,"present":1,"skipped":0,"conflicts":[{"name":"n"}]}`)

	script := []http.HandlerFunc{made, restored, made, restored}
	s := double.Serve(t, script...)
	kms := dial(t, s, nil)
	report, err := kms.RestoreParts(t.Context(), open, private, client.RestoreOptions{}, 2100)
	require.NoError(t, err)
	assert.Equal(t, 4, report.Keys)
	assert.Equal(t, 2, report.Restored)
	assert.Len(t, report.Conflicts, 2)
	seen := s.Requests()
	require.Len(t, seen, 4)
	for _, n := range []int{1, 3} {
		records := 0
		_, _, err := backup.Open(t.Context(), strings.NewReader(seen[n].Body), here, func([]byte) error { records++; return nil })
		require.NoError(t, err)
		assert.Equal(t, 2, records)
	}

	script[3] = double.Refuse(http.StatusConflict, "conflict")
	kms = dial(t, double.Serve(t, script...), nil)
	_, err = kms.RestoreParts(t.Context(), open, private, client.RestoreOptions{}, 2100)
	require.ErrorContains(t, err, "conflict")
	require.ErrorContains(t, err, "1 keys are restored already: repeat it to go on")

	stranger, _ := recipient(t)
	s = double.Serve(t, made)
	kms = dial(t, s, nil)
	_, err = kms.Restore(t.Context(), open, stranger, client.RestoreOptions{})
	require.ErrorContains(t, err, "other recipients")
	file.Truncate(file.Len() - 1)
	_, err = kms.Restore(t.Context(), open, private, client.RestoreOptions{})
	require.Error(t, err)
	assert.Empty(t, s.Requests(), "nothing is asked for a backup that is not whole")
}
