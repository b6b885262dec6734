// Package keywrap wraps keys under keys: AES key wrap ([Wrap], RFC 3394), the same with padding for
// keys of any length ([WrapPadded], RFC 5649) and RSA-OAEP ([WrapRSAOAEP], RFC 8017 section 7.1).
// Both AES forms are also SP 800-38F. Checks of what was unwrapped take the same time whatever is
// wrong with it, and everything that can be wrong is [ErrUnwrap].
package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Overhead is by how many bytes AES key wrap makes a key longer.
const Overhead = semiblock

// Scratch is the number of bytes that the Append functions use behind their result and clear again.
const Scratch = aes.BlockSize

const (
	semiblock = 8 // bytes; RFC 3394 works on halves of an AES block
	rounds    = 6
	// minKey is the shortest key [Wrap] takes, two semiblocks (RFC 3394 section 2).
	minKey = 2 * semiblock
	// maxKey bounds the length of what is wrapped, in bytes; far beyond any key.
	maxKey = 64 << 10
)

// initial is the check value of RFC 3394 section 2.2.3.1.
const initial = 0xA6A6A6A6A6A6A6A6

// ErrUnwrap is the one error of unwrapping.
var ErrUnwrap = errors.New("unwrap key: wrong key or damaged input")

var errLength = errors.New("wrap key: the key's length does not fit the algorithm")

// Wrap wraps key, whose length is a multiple of 8 bytes and at least 16, under a key encryption key
// of 16, 24 or 32 bytes (RFC 3394).
func Wrap(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	return AppendWrap(nil, block, key)
}

// Unwrap is the inverse of Wrap.
func Unwrap(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	return AppendUnwrap(nil, block, wrapped)
}

// AppendWrap is Wrap with a prepared AES cipher; the result is appended to dst. It allocates nothing if
// dst has room for the result and [Scratch] bytes more.
func AppendWrap(dst []byte, block cipher.Block, key []byte) ([]byte, error) {
	if len(key) < minKey || len(key)%semiblock != 0 || len(key) > maxKey {
		return nil, errLength
	}
	dst, out, buffer := grow(dst, semiblock+len(key))
	copy(out[semiblock:], key)
	wrapBlocks(block, initial, out, buffer)
	return dst, nil
}

// AppendUnwrap is Unwrap with a prepared AES cipher; the result is appended to dst. It allocates
// nothing if dst has room for the result and [Scratch] bytes more.
func AppendUnwrap(dst []byte, block cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) < semiblock+minKey || len(wrapped)%semiblock != 0 || len(wrapped) > semiblock+maxKey {
		return nil, ErrUnwrap
	}
	dst, out, buffer := grow(dst, len(wrapped)-semiblock)
	check := unwrapBlocks(block, out, wrapped, buffer)
	if !equal64(check, initial) {
		clear(out)
		return nil, ErrUnwrap
	}
	return dst, nil
}

// grow lengthens dst by n bytes and returns it together with the new part and, behind that, room for
// one block: a local array would escape through the interface of the cipher.
func grow(dst []byte, n int) (whole, added, buffer []byte) {
	start := len(dst)
	dst = slices.Grow(dst, n+Scratch)[:start+n+Scratch]
	return dst[:start+n], dst[start : start+n], dst[start+n:]
}

// wrapBlocks is the function W of SP 800-38F section 6.1: out holds room for the check value and then
// the semiblocks, and is overwritten. There are at least two semiblocks.
func wrapBlocks(block cipher.Block, check uint64, out, buffer []byte) {
	binary.BigEndian.PutUint64(buffer, check)
	t := uint64(0)
	for range rounds {
		for i := semiblock; i < len(out); i += semiblock {
			copy(buffer[semiblock:], out[i:i+semiblock])
			block.Encrypt(buffer, buffer)
			t++
			binary.BigEndian.PutUint64(buffer, binary.BigEndian.Uint64(buffer)^t)
			copy(out[i:], buffer[semiblock:])
		}
	}
	copy(out, buffer[:semiblock])
	clear(buffer)
}

// unwrapBlocks is the inverse of wrapBlocks: it fills out with the semiblocks and returns the check
// value, which the caller must compare.
func unwrapBlocks(block cipher.Block, out, wrapped, buffer []byte) (check uint64) {
	copy(buffer, wrapped[:semiblock])
	copy(out, wrapped[semiblock:])
	t := uint64(rounds * (len(out) / semiblock))
	for range rounds {
		for i := len(out) - semiblock; i >= 0; i -= semiblock {
			binary.BigEndian.PutUint64(buffer, binary.BigEndian.Uint64(buffer)^t)
			copy(buffer[semiblock:], out[i:i+semiblock])
			block.Decrypt(buffer, buffer)
			t--
			copy(out[i:], buffer[semiblock:])
		}
	}
	check = binary.BigEndian.Uint64(buffer)
	clear(buffer)
	return check
}

func equal64(a, b uint64) bool {
	var x, y [semiblock]byte
	binary.BigEndian.PutUint64(x[:], a)
	binary.BigEndian.PutUint64(y[:], b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
