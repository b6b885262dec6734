package envelope_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
)

func TestDecrypt_DetectsEveryFlippedBit(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	file := encrypt(t, k, []byte("a small file"))
	header, _ := chunksOf(t, file)
	dataKey := k.keys[string(header[:len(header)-1])].dataKey

	for i := range file {
		for bit := range 8 {
			flipped := bytes.Clone(file)
			flipped[i] ^= 1 << bit
			_, err := decrypt(t, flipped, k.unwrap)
			require.Error(t, err, "byte %d, bit %d", i, bit)
			// Also where whoever opens the header does not notice.
			_, err = decrypt(t, flipped, always(dataKey))
			require.Error(t, err, "byte %d, bit %d, header opened", i, bit)
		}
	}
}

func TestDecrypt_DetectsFlipsInEveryChunk(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	file := encrypt(t, k, pattern(3*envelope.ChunkSize+10))
	header, _ := chunksOf(t, file)
	for number := range 4 {
		for _, offset := range []int{0, 11, 12, 20, 37} {
			flipped := bytes.Clone(file)
			flipped[len(header)+number*sealedSize+offset] ^= 0x80
			plaintext, err := decrypt(t, flipped, k.unwrap)

			var chunkError *envelope.ChunkError
			require.ErrorAs(t, err, &chunkError)
			assert.Equal(t, uint64(number), chunkError.Number)
			assert.Equal(t, number == 3, chunkError.Last)
			assert.Len(t, plaintext, number*envelope.ChunkSize, "nothing of a bad chunk is released")
		}
	}
}

func TestDecrypt_DetectsEveryTruncationOfASmallFile(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	for _, size := range []int{0, 1, 40} {
		file := encrypt(t, k, pattern(size))
		header, _ := chunksOf(t, file)
		for n := range file {
			plaintext, err := decrypt(t, file[:n], k.unwrap)
			require.Error(t, err, "%d of %d bytes", n, len(file))
			assert.Empty(t, plaintext)
			if n > 0 && n < len(header)+overhead {
				require.ErrorIs(t, err, envelope.ErrTruncated, "%d of %d bytes", n, len(file))
			}
		}
	}
}

func TestDecrypt_DetectsTruncationOfALargeFile(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	for _, size := range []int{3 * envelope.ChunkSize, 3*envelope.ChunkSize + 1000} {
		file := encrypt(t, k, pattern(size))
		header, chunks := chunksOf(t, file)
		for number := range chunks {
			start := len(header) + number*sealedSize
			for _, offset := range []int{-1, 0, 1, 11, 12, 27, 28, 29, 500} {
				n := start + offset
				if n >= len(file) {
					continue
				}
				_, err := decrypt(t, file[:n], k.unwrap)
				require.Error(t, err, "chunk %d%+d", number, offset)
				if offset >= 0 && offset < 28 { // at a chunk's end, or within a nonce and tag
					require.ErrorIs(t, err, envelope.ErrTruncated, "chunk %d%+d", number, offset)
				}
			}
		}
	}
}

func TestDecrypt_DetectsMovedChunks(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	header, c := chunksOf(t, encrypt(t, k, pattern(4*envelope.ChunkSize)))
	require.Len(t, c, 4)
	for name, file := range map[string][]byte{
		"first two swapped":     join(header, c[1], c[0], c[2], c[3]),
		"inner two swapped":     join(header, c[0], c[2], c[1], c[3]),
		"last two swapped":      join(header, c[0], c[1], c[3], c[2]),
		"first repeated":        join(header, c[0], c[0], c[1], c[2], c[3]),
		"last repeated":         join(header, c[0], c[1], c[2], c[3], c[3]),
		"first dropped":         join(header, c[1], c[2], c[3]),
		"inner dropped":         join(header, c[0], c[1], c[3]),
		"last dropped":          join(header, c[0], c[1], c[2]),
		"only the last":         join(header, c[3]),
		"last first":            join(header, c[3], c[0], c[1], c[2]),
		"header line twice":     join(append(bytes.Clone(header), header...), c...),
		"the whole file twice":  join(join(header, c...), join(header, c...)),
		"one byte more":         join(header, c[0], c[1], c[2], c[3], []byte{0}),
		"a line feed more":      join(header, c[0], c[1], c[2], c[3], []byte{'\n'}),
		"a byte before a chunk": join(header, []byte{0}, c[0], c[1], c[2], c[3]),
	} {
		_, err := decrypt(t, file, k.unwrap)
		assert.Error(t, err, name)
	}
}

func TestDecrypt_NamesAppendedData(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	full := encrypt(t, k, pattern(2*envelope.ChunkSize))
	for _, more := range []int{1, overhead, sealedSize, 3 * sealedSize} {
		_, err := decrypt(t, append(bytes.Clone(full), pattern(more)...), k.unwrap)
		require.ErrorIs(t, err, envelope.ErrTrailingData, "%d bytes", more)
	}
	short := encrypt(t, k, []byte("short"))
	_, err := decrypt(t, append(short, 0), k.unwrap)
	require.ErrorAs(t, err, new(*envelope.ChunkError))
}

func TestDecrypt_DetectsChunksOfAnotherFile(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	plaintext := pattern(2*envelope.ChunkSize + 5)
	header, own := chunksOf(t, encrypt(t, k, plaintext))
	otherHeader, other := chunksOf(t, encrypt(t, k, plaintext))
	for number := range own {
		spliced := append([][]byte{}, own...)
		spliced[number] = other[number]
		_, err := decrypt(t, join(header, spliced...), k.unwrap)
		require.ErrorAs(t, err, new(*envelope.ChunkError), "chunk %d", number)
	}
	_, err := decrypt(t, join(otherHeader, own...), k.unwrap)
	require.ErrorAs(t, err, new(*envelope.ChunkError))

	// Even under the same data key, because the associated data hold the header.
	dataKey := pattern(32)
	one := build(t, dataKey, "A.B.C.D.E", piece{[]byte("text"), 0, 1})
	_, chunks := chunksOf(t, one)
	_, err = decrypt(t, join([]byte("A.B.C.D.F\n"), chunks...), always(dataKey))
	require.ErrorAs(t, err, new(*envelope.ChunkError))
}

func TestDecrypt_RefusesAnotherKey(t *testing.T) {
	t.Parallel()
	file := encrypt(t, newKeeper(), []byte("payload"))
	_, err := decrypt(t, file, newKeeper().unwrap)
	require.ErrorIs(t, err, errRefused)
	_, err = decrypt(t, file, always(make([]byte, 32)))
	require.ErrorAs(t, err, new(*envelope.ChunkError))
}

func TestErrors_SayWhatIsWrong(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	header, c := chunksOf(t, encrypt(t, k, pattern(2*envelope.ChunkSize+9)))
	for want, file := range map[string][]byte{
		"file is truncated: it ends within its header line":                                      header[:20],
		"file is truncated: nothing follows its header line":                                     header,
		"file is truncated: it ends within chunk 1":                                              join(header, c[0], c[1][:20]),
		"file is truncated: it ends after chunk 1, which is not the last":                        join(header, c[0], c[1]),
		"chunk 1 does not authenticate: the file was altered":                                    join(header, c[0], c[0], c[1], c[2]),
		"chunk 2, where the file ends, does not authenticate: the file was altered or truncated": join(header, c[0], c[1], c[2][:30]),
		"not an encrypted file: its first line is no compact JWE":                                []byte("plain text\n"),
	} {
		_, err := decrypt(t, file, k.unwrap)
		assert.EqualError(t, err, want)
	}
}
