package secretshare

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

const (
	// textPrefix lets people and secret scanners recognise a share.
	textPrefix = "cu_share_"
	// formatVersion is the first byte of an encoded share.
	formatVersion = 1

	headerSize   = 1 + ed25519.PublicKeySize + 3 // version, set, threshold, count, index
	checksumSize = 4
	minEncoded   = headerSize + 1 + digestSize + ed25519.SignatureSize + checksumSize
	maxEncoded   = minEncoded - 1 + MaxSecret
)

// Share is one person's part of a secret. It comes from [Split] or [ParseShare]
// only, so it always carries a valid signature of its set. It hides its content
// from fmt, slog and encoding/json; [Share.Text] reveals it.
type Share struct {
	set       [ed25519.PublicKeySize]byte
	threshold byte
	count     byte
	index     byte
	value     []byte
	signature [ed25519.SignatureSize]byte
}

// SetID identifies the shares that were made together: 32 hexadecimal digits, the
// first half of the SHA-256 of the set's public key.
func (s Share) SetID() string {
	sum := sha256.Sum256(s.set[:])
	return hex.EncodeToString(sum[:16])
}

// Index is the number of the share within its set, from 1.
func (s Share) Index() int { return int(s.index) }

// Threshold is how many shares of the set restore the secret.
func (s Share) Threshold() int { return int(s.threshold) }

// Count is how many shares the set has.
func (s Share) Count() int { return int(s.count) }

// Fits says whether the share can be combined with those collected so far, which
// fit each other. The error is a [ShareError] with ErrForeign or ErrDuplicate.
func (s Share) Fits(collected []Share) error {
	if len(collected) == 0 {
		return nil
	}
	present := slices.ContainsFunc(collected, func(c Share) bool { return c.index == s.index })
	return s.fits(collected[0], present)
}

func (s Share) fits(reference Share, present bool) error {
	switch {
	case s.set != reference.set, s.threshold != reference.threshold, len(s.value) != len(reference.value):
		return &ShareError{s.Index(), s.SetID(), fmt.Errorf("%w, not to %s", ErrForeign, reference.SetID())}
	case present:
		return &ShareError{s.Index(), s.SetID(), ErrDuplicate}
	}
	return nil
}

// Zero overwrites the secret part. It is best effort: copies that the text form
// or the garbage collector made are out of reach.
func (s Share) Zero() { clear(s.value) }

// Text returns the share as its holder keeps it:
//
//	cu_share_<index>_<base64url of version, set key, threshold, count, index, value, signature, checksum>
//
// The checksum is the first four bytes of the SHA-256 of what precedes it.
func (s Share) Text() string {
	encoded := slices.Concat(s.header(), s.value, s.signature[:])
	encoded = append(encoded, checksum(encoded)...)
	return textPrefix + strconv.Itoa(s.Index()) + "_" + base64.RawURLEncoding.EncodeToString(encoded)
}

// ParseShare reads what [Share.Text] wrote, with white space around it allowed.
// The error is a [ShareError] with ErrInvalid, ErrDamaged or ErrAltered, and never
// repeats the text.
func ParseShare(text string) (Share, error) {
	index, encoded, err := decodeText(strings.TrimSpace(text))
	if err != nil {
		return Share{}, &ShareError{Index: index, Err: err}
	}
	body, sum := encoded[:len(encoded)-checksumSize], encoded[len(encoded)-checksumSize:]
	if !bytes.Equal(sum, checksum(body)) {
		return Share{}, &ShareError{Index: index, Err: ErrDamaged}
	}
	signature := body[len(body)-ed25519.SignatureSize:]
	s := Share{
		set:       [ed25519.PublicKeySize]byte(body[1:]),
		threshold: body[headerSize-3],
		count:     body[headerSize-2],
		index:     body[headerSize-1],
		value:     bytes.Clone(body[headerSize : len(body)-ed25519.SignatureSize]),
		signature: [ed25519.SignatureSize]byte(signature),
	}
	switch {
	case body[0] != formatVersion:
		return Share{}, &ShareError{Index: index, Err: fmt.Errorf("%w: unknown format version %d", ErrInvalid, body[0])}
	case !ed25519.Verify(s.set[:], s.signed(), signature), s.Index() != index:
		return Share{}, &ShareError{index, s.SetID(), ErrAltered}
	case s.threshold < MinThreshold, s.threshold > s.count, s.index == 0, s.index > s.count:
		return Share{}, &ShareError{index, s.SetID(), fmt.Errorf("%w: impossible numbers", ErrInvalid)}
	}
	return s, nil
}

// decodeText undoes the outer form. The index is valid, or 0, in case of an error too.
func decodeText(text string) (index int, encoded []byte, err error) {
	rest, found := strings.CutPrefix(text, textPrefix)
	if !found {
		return 0, nil, fmt.Errorf("%w: it does not begin with %s", ErrInvalid, textPrefix)
	}
	number, payload, found := strings.Cut(rest, "_")
	if !found {
		return 0, nil, fmt.Errorf("%w: it is cut off", ErrInvalid)
	}
	index, err = strconv.Atoi(number)
	if err != nil || index < 1 || index > MaxShares || strconv.Itoa(index) != number {
		return 0, nil, fmt.Errorf("%w: it has no number", ErrInvalid)
	}
	if len(payload) > base64.RawURLEncoding.EncodedLen(maxEncoded) {
		return index, nil, fmt.Errorf("%w: it is too long", ErrDamaged)
	}
	encoded, err = base64.RawURLEncoding.Strict().DecodeString(payload)
	// Go's decoder skips line breaks; one inside is refused like any other stray character.
	if err != nil || strings.ContainsAny(payload, "\r\n") {
		return index, nil, ErrDamaged
	}
	if len(encoded) < minEncoded {
		return index, nil, ErrDamaged
	}
	return index, encoded, nil
}

func (s Share) header() []byte {
	header := make([]byte, 0, headerSize)
	header = append(header, formatVersion)
	header = append(header, s.set[:]...)
	return append(header, s.threshold, s.count, s.index)
}

// signed is what the set's key signs.
func (s Share) signed() []byte {
	return slices.Concat([]byte("cryptoutil secretshare share v1\x00"), s.header(), s.value)
}

func checksum(encoded []byte) []byte {
	sum := sha256.Sum256(encoded)
	return sum[:checksumSize]
}

// String describes the share without its secret part.
func (s Share) String() string {
	return fmt.Sprintf("share %d of %d (threshold %d, set %s)", s.index, s.count, s.threshold, s.SetID())
}

// GoString is String, so that %#v reveals nothing.
func (s Share) GoString() string { return s.String() }

// LogValue is String.
func (s Share) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON is String as a JSON string; the share itself travels as Text.
func (s Share) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(s.String())), nil }
