package envelope_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
)

func TestEncrypt_RoundTripsEverySizeAroundChunkBoundaries(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	for _, boundary := range []int{0, 1, 2, 3} {
		for _, offset := range []int{-29, -28, -2, -1, 0, 1, 2, 12, 27, 28, 29} {
			size := boundary*envelope.ChunkSize + offset
			if size < 0 {
				continue
			}
			plaintext := pattern(size)
			file := encrypt(t, k, plaintext)

			got, err := decrypt(t, file, k.unwrap)
			require.NoError(t, err, "size %d", size)
			require.True(t, bytes.Equal(plaintext, got), "size %d", size)

			_, chunks := chunksOf(t, file)
			wanted := max(1, (size+envelope.ChunkSize-1)/envelope.ChunkSize)
			require.Len(t, chunks, wanted, "size %d", size)
			require.Len(t, bytes.Join(chunks, nil), size+wanted*overhead, "size %d", size)
		}
	}
}

func TestEncrypt_RoundTripsWhateverTheReadsReturn(t *testing.T) {
	t.Parallel()
	k, plaintext := newKeeper(), pattern(envelope.ChunkSize+100)
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"half":            iotest.HalfReader,
		"data with error": iotest.DataErrReader,
		"one byte":        iotest.OneByteReader,
	} {
		var file, got bytes.Buffer
		require.NoError(t, envelope.Encrypt(t.Context(), &file, reader(bytes.NewReader(plaintext)), k.wrap), name)
		require.NoError(t, envelope.Decrypt(t.Context(), &got, reader(&file), k.unwrap), name)
		assert.True(t, bytes.Equal(plaintext, got.Bytes()), name)
	}
}

// The file was made by another implementation (pyca/cryptography) from the package comment.
func TestDecrypt_ReadsAFileMadeElsewhere(t *testing.T) {
	t.Parallel()
	file, err := hex.DecodeString("65794a68624763694f694a424d6a5532533163694c434a6c626d4d694f694a424d6a553252304e4e496e302e414141412e" +
		"424242422e434343432e444444440a6465666768696a6b6c6d6e6f296faa071a8276ff4a423b89ad0b5607bf1fafaf6f831fcef296096ccb70")
	require.NoError(t, err)
	dataKey := make([]byte, 32)
	for i := range dataKey {
		dataKey[i] = byte(i)
	}
	plaintext, err := decrypt(t, file, always(dataKey))
	require.NoError(t, err)
	assert.Equal(t, "attack at dawn", string(plaintext))
}

func TestDecrypt_ReadsAFileBuiltFromTheDescription(t *testing.T) {
	t.Parallel()
	dataKey, header, full := pattern(32), "AA.BB.CC.DD.EE", pattern(envelope.ChunkSize)

	plaintext, err := decrypt(t, build(t, dataKey, header, piece{full, 0, 0}, piece{full, 1, 0}, piece{[]byte("end"), 2, 1}), always(dataKey))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(append(append(bytes.Clone(full), full...), "end"...), plaintext))

	plaintext, err = decrypt(t, build(t, dataKey, header, piece{nil, 0, 1}), always(dataKey))
	require.NoError(t, err)
	assert.Empty(t, plaintext)
}

func TestDecrypt_RefusesFilesThatNoWriterMakes(t *testing.T) {
	t.Parallel()
	dataKey, header, full := pattern(32), "AA.BB.CC.DD.EE", pattern(envelope.ChunkSize)
	for name, file := range map[string][]byte{
		"empty chunk at the end":      build(t, dataKey, header, piece{full, 0, 0}, piece{nil, 1, 1}),
		"short chunk inside":          build(t, dataKey, header, piece{full[1:], 0, 0}, piece{full, 1, 1}),
		"short chunk that is no end":  build(t, dataKey, header, piece{[]byte("x"), 0, 0}),
		"flag other than 0 and 1":     build(t, dataKey, header, piece{[]byte("x"), 0, 2}),
		"numbers that begin with one": build(t, dataKey, header, piece{[]byte("x"), 1, 1}),
		"chunk longer than 64 KiB":    build(t, dataKey, header, piece{append(bytes.Clone(full), 1), 0, 1}),
	} {
		_, err := decrypt(t, file, always(dataKey))
		assert.Error(t, err, name)
	}
}

func TestDecrypt_RefusesOtherHeaders(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	file := encrypt(t, k, []byte("payload"))
	_, chunks := chunksOf(t, file)
	for name, header := range map[string]string{
		"text":                        "hello world\n",
		"empty line":                  "\n",
		"nothing":                     "",
		"compact JWS":                 "AA.BB.CC\n",
		"six parts":                   "A.B.C.D.E.F\n",
		"carriage return":             "A.B.C.D.E\r\n",
		"blank at the end":            "A.B.C.D.E \n",
		"other alphabet":              "A.B.C.D+.E/\n",
		"longer than a header may be": strings.Repeat("A", envelope.MaxHeader) + ".B.C.D.E\n",
	} {
		_, err := decrypt(t, join([]byte(header), chunks...), k.unwrap)
		require.ErrorIs(t, err, envelope.ErrNotEnvelope, name)
	}
	_, err := decrypt(t, nil, k.unwrap)
	require.ErrorIs(t, err, envelope.ErrNotEnvelope)
	_, err = decrypt(t, pattern(200_000), k.unwrap)
	require.ErrorIs(t, err, envelope.ErrNotEnvelope)
}

func TestDecrypt_TakesTheLongestHeader(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	long := strings.Repeat("A", envelope.MaxHeader-len(".B.C.D.E")) + ".B.C.D.E"
	var dataKey []byte
	var file bytes.Buffer
	require.NoError(t, envelope.Encrypt(t.Context(), &file, strings.NewReader("x"),
		func(_ context.Context, key []byte, _ map[string]string) (string, error) {
			dataKey = bytes.Clone(key)
			return long, nil
		}))
	plaintext, err := decrypt(t, file.Bytes(), always(dataKey))
	require.NoError(t, err)
	assert.Equal(t, "x", string(plaintext))

	_, err = decrypt(t, file.Bytes(), k.unwrap)
	require.ErrorIs(t, err, errRefused)
}

func TestEncrypt_RefusesAHeaderThatIsNoJWE(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "token", "a.b.c", "a.b.c.d.e\n", "a.b.c.d.e\nf"} {
		var file bytes.Buffer
		err := envelope.Encrypt(t.Context(), &file, strings.NewReader("x"),
			func(context.Context, []byte, map[string]string) (string, error) { return header, nil })
		require.Error(t, err, "%q", header)
		assert.Empty(t, file.Bytes())
	}
}

func TestEncrypt_TakesAFreshKeyForEachFileAndErasesIt(t *testing.T) {
	t.Parallel()
	var keys [][]byte
	seen := make(map[string]bool)
	for range 4 {
		require.NoError(t, envelope.Encrypt(t.Context(), io.Discard, strings.NewReader("x"),
			func(_ context.Context, dataKey []byte, additional map[string]string) (string, error) {
				assert.Equal(t, map[string]string{"cryptoutil": "file/1"}, additional)
				seen[string(dataKey)] = true
				keys = append(keys, dataKey)
				return "a.b.c.d.e", nil
			}))
	}
	assert.Len(t, seen, 4)
	for _, key := range keys {
		assert.Equal(t, make([]byte, 32), key)
	}
}

func TestDecrypt_RefusesADataKeyOfAnotherLength(t *testing.T) {
	t.Parallel()
	file := encrypt(t, newKeeper(), []byte("x"))
	for _, n := range []int{0, 16, 24, 31, 33} {
		_, err := decrypt(t, file, always(make([]byte, n)))
		assert.ErrorContains(t, err, fmt.Sprintf("data key has %d bytes instead of 32", n))
	}
}

func TestEncryptAndDecrypt_ReportTheFailuresOfTheirNeighbors(t *testing.T) {
	t.Parallel()
	k, gone := newKeeper(), errors.New("gone")

	err := envelope.Encrypt(t.Context(), io.Discard, broken("text", gone), k.wrap)
	require.ErrorIs(t, err, gone)
	err = envelope.Encrypt(t.Context(), failing{gone}, strings.NewReader("x"), k.wrap)
	require.ErrorIs(t, err, gone)
	err = envelope.Encrypt(t.Context(), io.Discard, strings.NewReader("x"),
		func(context.Context, []byte, map[string]string) (string, error) { return "", errRefused })
	require.ErrorIs(t, err, errRefused)

	file := encrypt(t, k, []byte("payload"))
	err = envelope.Decrypt(t.Context(), failing{gone}, bytes.NewReader(file), k.unwrap)
	require.ErrorIs(t, err, gone)
	err = envelope.Decrypt(t.Context(), io.Discard, broken(string(file), gone), k.unwrap)
	require.ErrorIs(t, err, gone)
	err = envelope.Decrypt(t.Context(), io.Discard, broken("", gone), k.unwrap)
	require.ErrorIs(t, err, gone)
}

// A source that breaks off, such as a download, must not pass for one that ends.
func TestEncrypt_TakesABrokenSourceForNoEnd(t *testing.T) {
	t.Parallel()
	err := envelope.Encrypt(t.Context(), io.Discard, broken("text", io.ErrUnexpectedEOF), newKeeper().wrap)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestEncryptAndDecrypt_StopWithTheContext(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	file := encrypt(t, k, []byte("payload"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, envelope.Encrypt(ctx, io.Discard, strings.NewReader("x"), k.wrap), context.Canceled)
	require.ErrorIs(t, envelope.Decrypt(ctx, io.Discard, bytes.NewReader(file), k.unwrap), context.Canceled)
}
