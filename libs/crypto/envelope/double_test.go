package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
)

const (
	overhead   = 12 + 16
	sealedSize = envelope.ChunkSize + overhead
)

var errRefused = errors.New("refused")

// keeper stands in for the KMS: it keeps each data key with the context it came with
// and gives it back for the same header and context.
type keeper struct {
	mu   sync.Mutex
	keys map[string]kept
}

type kept struct {
	dataKey []byte
	context map[string]string
}

func newKeeper() *keeper { return &keeper{keys: make(map[string]kept)} }

func (k *keeper) wrap(_ context.Context, dataKey []byte, additional map[string]string) (string, error) {
	header := "eyJlbmMiOiJBMjU2R0NNIn0." + rand.Text() + "." + rand.Text() + "._-4.AA"
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[header] = kept{dataKey: bytes.Clone(dataKey), context: additional}
	return header, nil
}

func (k *keeper) unwrap(_ context.Context, header string, additional map[string]string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := k.keys[header]
	if !ok || found.context["cryptoutil"] != additional["cryptoutil"] || len(found.context) != len(additional) {
		return nil, errRefused
	}
	return bytes.Clone(found.dataKey), nil
}

// always unwraps to one data key, whatever the header says.
func always(dataKey []byte) envelope.Unwrap {
	return func(context.Context, string, map[string]string) ([]byte, error) { return bytes.Clone(dataKey), nil }
}

func encrypt(t *testing.T, k *keeper, plaintext []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, envelope.Encrypt(t.Context(), &file, bytes.NewReader(plaintext), k.wrap))
	return file.Bytes()
}

func decrypt(t *testing.T, file []byte, unwrap envelope.Unwrap) ([]byte, error) {
	t.Helper()
	var plaintext bytes.Buffer
	err := envelope.Decrypt(t.Context(), &plaintext, bytes.NewReader(file), unwrap)
	return plaintext.Bytes(), err
}

// pattern returns n bytes that differ from chunk to chunk.
func pattern(n int) []byte {
	b := make([]byte, n)
	source := mathrand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

// piece is the plaintext of a chunk and what its associated data say of it.
type piece struct {
	plaintext []byte
	number    uint64
	last      byte
}

// build makes a file as the package comment describes it, from the description alone.
func build(t *testing.T, dataKey []byte, header string, pieces ...piece) []byte {
	t.Helper()
	block, err := aes.NewCipher(dataKey)
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	hash := sha256.Sum256([]byte(header))

	file := []byte(header + "\n")
	for _, p := range pieces {
		aad := []byte("cryptoutil file/1")
		aad = append(aad, hash[:]...)
		aad = binary.BigEndian.AppendUint64(aad, p.number)
		aad = append(aad, p.last)
		file = aead.Seal(file, nil, p.plaintext, aad)
	}
	return file
}

// chunksOf cuts a file into its header line and its chunks.
func chunksOf(t *testing.T, file []byte) (header []byte, chunks [][]byte) {
	t.Helper()
	end := bytes.IndexByte(file, '\n') + 1
	require.Positive(t, end)
	for rest := file[end:]; len(rest) > 0; {
		n := min(len(rest), sealedSize)
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	return file[:end], chunks
}

func join(header []byte, chunks ...[]byte) []byte {
	return append(bytes.Clone(header), bytes.Join(chunks, nil)...)
}

// broken yields text and then fails.
func broken(text string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(text), failing{err})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
