package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// paddedPrefix is the upper half of the alternative initial value (RFC 5649 section 3); the lower is
// the length of the key in bytes.
const paddedPrefix = 0xA65959A6

// WrapPadded wraps a key of 1 byte to 64 KiB under a key encryption key of 16, 24 or 32 bytes
// (RFC 5649).
func WrapPadded(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	if len(key) == 0 || len(key) > maxKey {
		return nil, errLength
	}
	check := uint64(paddedPrefix)<<32 | uint64(len(key))
	padded := (len(key) + semiblock - 1) / semiblock * semiblock
	_, out, buffer := grow(nil, semiblock+padded)
	copy(out[semiblock:], key)
	if padded == semiblock {
		// One semiblock is encrypted as one AES block (RFC 5649 section 4.1).
		binary.BigEndian.PutUint64(out, check)
		block.Encrypt(out, out)
		return out, nil
	}
	wrapBlocks(block, check, out, buffer)
	return out, nil
}

// UnwrapPadded is the inverse of WrapPadded.
func UnwrapPadded(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 || len(wrapped) > semiblock+maxKey {
		return nil, ErrUnwrap
	}
	out, check := openPadded(block, wrapped)
	length, ok := paddedLength(check, out)
	if ok != 1 {
		clear(out)
		return nil, ErrUnwrap
	}
	return out[:length], nil
}

func openPadded(block cipher.Block, wrapped []byte) (out []byte, check uint64) {
	if len(wrapped) == 2*semiblock {
		whole := make([]byte, aes.BlockSize)
		block.Decrypt(whole, wrapped)
		return whole[semiblock:], binary.BigEndian.Uint64(whole)
	}
	_, out, buffer := grow(nil, len(wrapped)-semiblock)
	return out, unwrapBlocks(block, out, wrapped, buffer)
}

// paddedLength makes the three checks of RFC 5649 section 3 without a branch on what it looks at: the
// prefix, a length that needs all semiblocks, and zeros as padding.
func paddedLength(check uint64, out []byte) (length, ok int) {
	ok = subtle.ConstantTimeEq(int32(check>>40), paddedPrefix>>8) & // 24 bits at a time, to stay positive
		subtle.ConstantTimeEq(int32(check>>32&0xff), paddedPrefix&0xff)
	claimed := check & 0xffffffff
	longest := uint64(len(out))
	shortest := longest - semiblock + 1
	// For numbers below 2^62 the sign bit of a difference says which is larger.
	ok &= int(1 ^ (longest-claimed)>>63)  //nolint:gosec // 0 or 1
	ok &= int(1 ^ (claimed-shortest)>>63) //nolint:gosec // 0 or 1
	// If the length is out of range the key is refused already: look at some padding all the same.
	length = subtle.ConstantTimeSelect(ok, int(claimed), len(out))
	var padding byte
	for i := len(out) - semiblock; i < len(out); i++ {
		beyond := subtle.ConstantTimeLessOrEq(length, i)
		padding |= out[i] & byte(-beyond) //nolint:gosec // all bits or none
	}
	ok &= subtle.ConstantTimeByteEq(padding, 0)
	return length, ok
}
