package envelope

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// Encrypt encrypts src to dst until src ends. After an error what was written to dst
// is not a whole file and must be thrown away.
func Encrypt(ctx context.Context, dst io.Writer, src io.Reader, wrap Wrap) error {
	return File.Encrypt(ctx, dst, src, wrap)
}

// Encrypt is [Encrypt] for the format.
func (f Format) Encrypt(ctx context.Context, dst io.Writer, src io.Reader, wrap Wrap) error {
	dataKey := make([]byte, keySize)
	defer clear(dataKey)
	_, _ = rand.Read(dataKey) // never fails

	header, err := wrap(ctx, dataKey, f.wrapContext())
	if err != nil {
		return fmt.Errorf("wrap data key: %w", err)
	}
	if !f.isHeader(header) {
		return fmt.Errorf("wrap data key: %w", errors.New("the result is no compact JWE"))
	}
	chunks, err := newChunkCipher(f, dataKey, header)
	if err != nil {
		return err
	}
	if err := write(dst, []byte(header+"\n")); err != nil {
		return err
	}
	return encryptChunks(ctx, dst, src, chunks)
}

// encryptChunks reads one byte more than a chunk takes, to know whether it is the
// last; that byte begins the next.
func encryptChunks(ctx context.Context, dst io.Writer, src io.Reader, chunks *chunkCipher) error {
	plaintext := make([]byte, ChunkSize+1)
	defer clear(plaintext)
	chunk := make([]byte, 0, ChunkSize+overhead)

	held := 0
	for number := range uint64(maxChunks) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, last, err := fill(src, plaintext[held:])
		if err != nil {
			return err
		}
		size := min(held+n, ChunkSize)
		chunk = chunks.seal(chunk[:0], plaintext[:size], number, last)
		if err := write(dst, chunk); err != nil {
			return err
		}
		if last {
			return nil
		}
		plaintext[0], held = plaintext[ChunkSize], 1
	}
	return errors.New("the input is larger than 256 TiB, the most that one file holds")
}
