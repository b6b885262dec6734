// Package envelope is the format of encrypted files: [Encrypt] writes it from a
// stream of any length and [Decrypt] reads it, both in constant memory. The key of
// each file is fresh; who wraps it is the caller's affair, usually the KMS.
//
// # Format
//
// An encrypted file is a header line and one or more chunks:
//
//	file   = header LF chunk *chunk
//	chunk  = nonce (12 octets) || ciphertext (0 to 65,536 octets) || tag (16 octets)
//
// The header is a compact JWE (RFC 7516 section 7.1), at most 16,384 octets of
// A-Z a-z 0-9 - _ and four full stops. Its plaintext is the data key: 32 octets,
// random for each file. It is made with the additional context
// {"cryptoutil":"file/1"} (plus what the user added), from which the KMS derives the
// JWE's "ctx" member: so a header never opens as an ordinary message nor an ordinary
// message as a header.
//
// The plaintext is cut into pieces of 65,536 octets; the last holds what remains,
// 1 to 65,536 octets, or none if the whole plaintext is empty. No other piece is
// empty: a plaintext of 131,072 octets makes two chunks. Each piece is encrypted with AES-256-GCM (NIST
// SP 800-38D) under the data key, with a random nonce and the associated data
//
//	"cryptoutil file/1" (17 octets of ASCII)
//	SHA-256 of the header line without its LF (32 octets)
//	number of the chunk, from 0 (8 octets, big-endian)
//	1 if the chunk is the last of the file, else 0 (1 octet)
//
// A file has at most 2^32 chunks (256 TiB), the number of messages that one key may
// encrypt under random nonces (SP 800-38D section 8.3).
//
// The number detects chunks that were moved, dropped or repeated, the last octet a
// file cut at a chunk's end or continued behind its last chunk, and the hash of the
// header chunks from another file, even one encrypted with the same data key.
//
// # Reading
//
// A reader releases the plaintext of each chunk once that chunk authenticates, which
// is before it knows that the file is whole. Whoever takes the plaintext must throw
// it away when [Decrypt] fails.
package envelope

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// ChunkSize is the plaintext, in bytes, of every chunk but the last.
	ChunkSize = 64 << 10
	// MaxHeader is the most bytes a header has, its line feed not counted.
	MaxHeader = 16 << 10
	// ContextName is the name that the context of a data key adds to the user's own.
	ContextName = "cryptoutil"

	keySize   = 32
	overhead  = 12 + 16 // nonce and tag
	maxChunks = 1 << 32
)

// Format is what a file is for. It stands in the associated data of every chunk, and in the context of the data key, so that a file of one
// format never opens as one of another.
type Format string

const (
	// File is the format that the package comment describes.
	File Format = "file/1"
	// Backup is File with this name in its place, and a header of one or several compact JWEs with "~" between them: the same data key,
	// encrypted to one recipient each.
	Backup Format = "backup/1"
)

// label begins the associated data.
func (f Format) label() string { return "cryptoutil " + string(f) }

// separator stands between the data keys of several recipients.
const separator = "~"

var (
	// ErrNotEnvelope means that the input does not begin as an encrypted file does.
	ErrNotEnvelope = errors.New("not an encrypted file: its first line is no compact JWE")
	// ErrTruncated means that the end of the file is missing.
	ErrTruncated = errors.New("file is truncated")
	// ErrTrailingData means that the file goes on after its last chunk.
	ErrTrailingData = errors.New("file has data after its last chunk")
)

// ChunkError reports a chunk that is not the one that was written at its place.
type ChunkError struct {
	Number uint64 // from 0
	Last   bool   // whether the input ends after it
}

// Error names the chunk and what may have happened to it.
func (e *ChunkError) Error() string {
	if e.Last {
		return fmt.Sprintf("chunk %d, where the file ends, does not authenticate: the file was altered or truncated", e.Number)
	}
	return fmt.Sprintf("chunk %d does not authenticate: the file was altered", e.Number)
}

// Wrap encrypts a data key and returns a compact JWE that opens only with the same
// context. It must not keep dataKey, which is erased afterwards.
type Wrap func(ctx context.Context, dataKey []byte, context map[string]string) (jwe string, err error)

// Unwrap decrypts what [Wrap] made. The data key it returns is erased after use.
type Unwrap func(ctx context.Context, jwe string, context map[string]string) (dataKey []byte, err error)

// wrapContext binds a data key to its purpose.
func (f Format) wrapContext() map[string]string { return map[string]string{ContextName: string(f)} }

// chunkCipher encrypts and decrypts the chunks of one file.
type chunkCipher struct {
	aead cipher.AEAD
	aad  []byte // all but the last nine bytes stay the same
}

func newChunkCipher(f Format, dataKey []byte, header string) (*chunkCipher, error) {
	if len(dataKey) != keySize {
		return nil, fmt.Errorf("data key has %d bytes instead of %d", len(dataKey), keySize)
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	hash := sha256.Sum256([]byte(header))
	aad := append([]byte(f.label()), hash[:]...)
	return &chunkCipher{aead: aead, aad: append(aad, make([]byte, 9)...)}, nil
}

// associated returns the associated data of a chunk, valid until the next call.
func (c *chunkCipher) associated(number uint64, last bool) []byte {
	place := c.aad[len(c.aad)-9:]
	binary.BigEndian.PutUint64(place, number)
	place[8] = 0
	if last {
		place[8] = 1
	}
	return c.aad
}

// seal appends the chunk with this plaintext to dst.
func (c *chunkCipher) seal(dst, plaintext []byte, number uint64, last bool) []byte {
	return c.aead.Seal(dst, nil, plaintext, c.associated(number, last))
}

// open appends the plaintext of a chunk to dst.
func (c *chunkCipher) open(dst, chunk []byte, number uint64, last bool) ([]byte, error) {
	return c.aead.Open(dst, nil, chunk, c.associated(number, last))
}

// isHeader says whether text has the form of a compact JWE, or in a backup of several.
func (f Format) isHeader(text string) bool {
	if len(text) > MaxHeader || !f.isPrefixOfHeader(text) {
		return false
	}
	for _, part := range strings.Split(text, separator) {
		if strings.Count(part, ".") != 4 {
			return false
		}
	}
	return true
}

// isPrefixOfHeader says whether text has only the characters of a header.
func (f Format) isPrefixOfHeader(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case f != File && string(c) == separator:
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return text != ""
}

// fill reads until buffer is full or src ends. Only [io.EOF] ends a stream; an
// [io.ErrUnexpectedEOF] from src itself, as of a broken download, is an error, which
// [io.ReadFull] could not tell from an end.
func fill(src io.Reader, buffer []byte) (n int, ended bool, err error) {
	for n < len(buffer) {
		m, err := src.Read(buffer[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF):
			return n, true, nil
		case err != nil:
			return n, false, fmt.Errorf("read: %w", err)
		}
	}
	return n, false, nil
}

// write writes all of b.
func write(dst io.Writer, b []byte) error {
	if _, err := dst.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
