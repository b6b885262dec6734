package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func newKey(t *testing.T, algorithm string, size int, curve string) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, size, curve)
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

func public(t *testing.T, key *jwk.Key) *jwk.Key {
	t.Helper()
	open, err := key.Public()
	require.NoError(t, err)
	return open
}

func recipient(t *testing.T) *jwk.Key {
	t.Helper()
	return newKey(t, "A256GCM/ECDH-ES+A256KW", 0, "P-384")
}

var head = backup.Head{Product: "kms", Release: "1", Instance: "i", Tenant: "acme", CreatedAt: "2026-11-02T09:30:00Z"}

func records(n, size int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			if !yield([]byte(fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", size))), nil) {
				return
			}
		}
	}
}

func write(t *testing.T, n, size int, to ...*jwk.Key) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, backup.Write(t.Context(), &file, to, head, records(n, size)))
	return file.Bytes()
}

func open(t *testing.T, file []byte, key *jwk.Key) (int, error) {
	t.Helper()
	count := 0
	got, manifest, err := backup.Open(t.Context(), bytes.NewReader(file), key, func(record []byte) error {
		assert.Contains(t, string(record), fmt.Sprintf(`{"n":%d,`, count))
		count++
		return nil
	})
	if err == nil {
		want := head
		want.Format = got.Format
		assert.Equal(t, want, got)
		assert.Equal(t, count, manifest.Records)
	}
	return count, err
}

func TestBackup_OpensForEachRecipientAndNobodyElse(t *testing.T) {
	t.Parallel()
	first, second := recipient(t), newKey(t, "A256GCM/RSA-OAEP-256", 3072, "")
	for _, size := range []int{0, 10, 200_000} {
		file := write(t, 5, size, public(t, first), public(t, second))
		for _, key := range []*jwk.Key{first, second} {
			n, err := open(t, file, key)
			require.NoError(t, err)
			assert.Equal(t, 5, n)
		}
		_, err := open(t, file, recipient(t))
		require.Error(t, err)
		assert.NotContains(t, string(file), `"n":`)
	}
	n, err := open(t, write(t, 0, 0, public(t, first)), first)
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestBackup_RefusesWhatIsNoRecipient(t *testing.T) {
	t.Parallel()
	for _, key := range []*jwk.Key{
		newKey(t, "A256GCM/A256KW", 0, ""), newKey(t, "ES256", 0, ""), newKey(t, "Ed25519", 0, ""), newKey(t, "A256GCM/RSA-OAEP-256", 2048, ""),
	} {
		require.ErrorIs(t, backup.CheckRecipient(key), backup.ErrRecipient)
		require.Error(t, backup.Write(t.Context(), io.Discard, []*jwk.Key{key}, head, records(1, 1)))
	}
	require.Error(t, backup.Write(t.Context(), io.Discard, nil, head, records(1, 1)))
}

func TestBackup_ThatWasChangedOrCutDoesNotOpen(t *testing.T) {
	t.Parallel()
	key := recipient(t)
	file := write(t, 40, 5_000, public(t, key))
	for at := 0; at < len(file); at += len(file)/97 + 1 {
		changed := bytes.Clone(file)
		changed[at] ^= 1
		_, err := open(t, changed, key)
		require.Error(t, err, "byte %d", at)
		_, err = open(t, file[:at], key)
		require.Error(t, err, "cut at %d", at)
	}
	_, err := open(t, append(bytes.Clone(file), 'x'), key)
	require.Error(t, err)
	// A file that ends well and whose writer never came to the end, or that says something else than it holds.
	for _, plaintext := range []string{
		"", "{}\n", `{"format":"cryptoutil-backup/1"}` + "\n", `{"format":"cryptoutil-backup/2"}` + "\n{\"records\":0,\"sha256\":\"\"}\n",
		`{"format":"cryptoutil-backup/1"}` + "\n{\"n\":0}\n", `{"format":"cryptoutil-backup/1"}` + "\n{\"records\":1,\"sha256\":\"\"}\n", "x",
	} {
		_, err := open(t, forge(t, key, envelope.Backup, plaintext), key)
		require.Error(t, err, plaintext)
	}
	// Another format under the same key is none.
	_, err = open(t, forge(t, key, envelope.File, "{}\n"), key)
	require.Error(t, err)
}

// forge encrypts a plaintext with the data key's JWE of a real backup: it takes what Write makes and puts other content into it.
func forge(t *testing.T, key *jwk.Key, format envelope.Format, plaintext string) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, format.Encrypt(t.Context(), &out, strings.NewReader(plaintext), func(_ context.Context, dataKey []byte, context map[string]string) (string, error) {
		return backup.WrapForTest([]*jwk.Key{public(t, key)}, dataKey, context)
	}))
	return out.Bytes()
}

func TestWrite_FailsWithItsRecords(t *testing.T) {
	t.Parallel()
	failure := errors.New("no more")
	key := recipient(t)
	var file bytes.Buffer
	err := backup.Write(t.Context(), &file, []*jwk.Key{public(t, key)}, head, func(yield func([]byte, error) bool) {
		_ = yield([]byte(`{"n":0,"x":1}`), nil) && yield(nil, failure)
	})
	require.ErrorIs(t, err, failure)
	_, err = open(t, file.Bytes(), key)
	require.Error(t, err)
	for _, bad := range []string{"x", "{}\n{}", ""} {
		require.Error(t, backup.Write(t.Context(), io.Discard, []*jwk.Key{public(t, key)}, head, func(yield func([]byte, error) bool) { yield([]byte(bad), nil) }))
	}
}

func TestReseal_MakesWholeBackupsForSomebodyElse(t *testing.T) {
	t.Parallel()
	old, target := recipient(t), recipient(t)
	file := write(t, 30, 10_000, public(t, old))
	source := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }
	var made []*bytes.Buffer
	begin := func(number int, _ backup.Head) (backup.Part, error) {
		assert.Equal(t, len(made), number)
		made = append(made, &bytes.Buffer{})
		return backup.Part{Number: number, To: public(t, target), Into: made[number], Close: func(err error) error { return err }}, nil
	}
	_, manifest, err := backup.Reseal(t.Context(), source, old, 100_000, begin)
	require.NoError(t, err)
	assert.Equal(t, 30, manifest.Records)
	assert.Greater(t, len(made), 2)
	total := 0
	for _, part := range made {
		_, whole, err := backup.Open(t.Context(), bytes.NewReader(part.Bytes()), target, func([]byte) error { total++; return nil })
		require.NoError(t, err)
		assert.Positive(t, whole.Records)
	}
	assert.Equal(t, 30, total)

	// Nothing is begun for a backup that is not whole.
	made, file = nil, file[:len(file)-1]
	_, _, err = backup.Reseal(t.Context(), source, old, 100_000, begin)
	require.Error(t, err)
	assert.Empty(t, made)
	file = write(t, 3, 10, public(t, old))
	failure := errors.New("no room")
	_, _, err = backup.Reseal(t.Context(), source, old, 100, func(int, backup.Head) (backup.Part, error) { return backup.Part{}, failure })
	require.ErrorIs(t, err, failure)
}
