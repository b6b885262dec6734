package kdf

import (
	"crypto/sha256"
	"encoding/binary"
)

// Concat derives a key of keyBits bits, a multiple of 8, from the shared secret z of a key agreement:
// the one-step key derivation of SP 800-56A section 5.8.2.1 with SHA-256 and the context that
// RFC 7518 section 4.6.2 prescribes. algorithm is the "enc" for direct key agreement and the "alg"
// otherwise.
func Concat(z []byte, algorithm string, partyU, partyV []byte, keyBits int) []byte {
	key := make([]byte, 0, (keyBits/8+sha256.Size-1)/sha256.Size*sha256.Size)
	h := sha256.New()
	var number [4]byte
	writeNumber := func(n int) {
		binary.BigEndian.PutUint32(number[:], uint32(n)) //nolint:gosec // lengths of header members
		h.Write(number[:])
	}
	for counter := 1; len(key)*8 < keyBits; counter++ {
		h.Reset()
		writeNumber(counter)
		h.Write(z)
		writeNumber(len(algorithm))
		h.Write([]byte(algorithm))
		writeNumber(len(partyU))
		h.Write(partyU)
		writeNumber(len(partyV))
		h.Write(partyV)
		writeNumber(keyBits)
		key = h.Sum(key)
	}
	return key[:keyBits/8]
}
