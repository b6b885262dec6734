package envelope

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Decrypt decrypts src, which must hold one encrypted file and nothing else, to dst.
// It writes the plaintext of each chunk that authenticates; after an error what was
// written must be thrown away. Errors are [ErrNotEnvelope], [ErrTruncated],
// [ErrTrailingData], [*ChunkError], and those of src, dst and unwrap.
func Decrypt(ctx context.Context, dst io.Writer, src io.Reader, unwrap Unwrap) error {
	return File.Decrypt(ctx, dst, src, unwrap)
}

// Decrypt is [Decrypt] for the format.
func (f Format) Decrypt(ctx context.Context, dst io.Writer, src io.Reader, unwrap Unwrap) error {
	buffered := bufio.NewReaderSize(src, MaxHeader+1)
	header, err := f.readHeader(buffered)
	if err != nil {
		return err
	}
	dataKey, err := unwrap(ctx, header, f.wrapContext())
	if err != nil {
		return fmt.Errorf("unwrap data key: %w", err)
	}
	defer clear(dataKey)
	chunks, err := newChunkCipher(f, dataKey, header)
	if err != nil {
		return err
	}
	return decryptChunks(ctx, dst, buffered, chunks)
}

// readHeader reads the first line and returns it without its line feed.
func (f Format) readHeader(src *bufio.Reader) (string, error) {
	line, err := src.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && f.isPrefixOfHeader(string(line)):
		return "", fmt.Errorf("%w: it ends within its header line", ErrTruncated)
	case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
		return "", ErrNotEnvelope
	case err != nil:
		return "", fmt.Errorf("read: %w", err)
	}
	header := string(line[:len(line)-1])
	if !f.isHeader(header) {
		return "", ErrNotEnvelope
	}
	return header, nil
}

// decryptChunks reads one byte more than a chunk has, to know whether it is the
// last; that byte begins the next.
func decryptChunks(ctx context.Context, dst io.Writer, src io.Reader, chunks *chunkCipher) error {
	sealed := make([]byte, ChunkSize+overhead+1)
	plaintext := make([]byte, 0, ChunkSize)
	defer func() { clear(plaintext[:cap(plaintext)]) }()

	held := 0
	for number := range uint64(maxChunks) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, last, err := fill(src, sealed[held:])
		if err != nil {
			return err
		}
		chunk := sealed[:min(held+n, ChunkSize+overhead)]
		if len(chunk) < overhead {
			return endsEarly(number)
		}
		opened, err := chunks.open(plaintext[:0], chunk, number, last)
		if err != nil {
			return chunks.diagnose(plaintext[:0], chunk, number, last)
		}
		if last && number > 0 && len(opened) == 0 {
			return &ChunkError{Number: number, Last: true} // Encrypt writes no such chunk
		}
		if err := write(dst, opened); err != nil {
			return err
		}
		if last {
			return nil
		}
		sealed[0], held = sealed[ChunkSize+overhead], 1
	}
	return ErrTrailingData
}

// endsEarly describes an end where a chunk should be.
func endsEarly(number uint64) error {
	if number == 0 {
		return fmt.Errorf("%w: nothing follows its header line", ErrTruncated)
	}
	return fmt.Errorf("%w: it ends within chunk %d", ErrTruncated, number)
}

// diagnose says why a chunk does not open: a chunk that is whole but stands on the
// wrong side of the end tells what happened to the file.
func (c *chunkCipher) diagnose(scratch, chunk []byte, number uint64, last bool) error {
	if _, err := c.open(scratch, chunk, number, !last); err != nil {
		return &ChunkError{Number: number, Last: last}
	}
	if last {
		return fmt.Errorf("%w: it ends after chunk %d, which is not the last", ErrTruncated, number)
	}
	return fmt.Errorf("%w: that is chunk %d", ErrTrailingData, number)
}
