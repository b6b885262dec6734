package crl

import (
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

const (
	// maxSize bounds the entries of a list, in bytes: what readers with 32-bit lengths take.
	maxSize = 1 << 31
	// maxWhole bounds the entries of a list that Ed25519 signs, in bytes. It signs whole messages only (RFC 8032 section 5.1.6), so such a list is
	// held in memory; some 400,000 entries fit. An issuer with more divides its certificates among shards.
	maxWhole = 16 << 20
)

// ErrTooLong says that the list is too long for its issuer's key.
var ErrTooLong = fmt.Errorf("the entries of a list that Ed25519 signs must not exceed %d bytes: use shards, or an issuer with another key", maxWhole)

// Writer signs a list whose encoded entries are streamed through it: those of [Entry.Append], one after the other, in pieces of any length. What it
// returns at the end stands around the entries; these it does not keep, unless the key is Ed25519.
type Writer struct {
	signer  *signing.Signer
	head    []byte
	tail    []byte // of the part that is signed
	missing int64  // bytes of entries
	size    int64  // of the part that is signed

	digest  hash.Hash // nil where the message is signed
	message []byte
}

// Frame is what stands around a list's entries: the list is Head, the entries, Tail.
type Frame struct {
	Head, Tail []byte
	// Digest is the hash of the signed part, or its signature where Ed25519 signs: it tells lists apart.
	Digest []byte
}

// Start begins a list whose entries have the size in bytes.
func Start(l List, size int64, signer *signing.Signer) (*Writer, error) {
	if signer == nil {
		return nil, errors.New("CRL: a signer is required")
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	digest := signer.NewHash()
	switch {
	case size < 0 || size > maxSize:
		return nil, fmt.Errorf("CRL: entries of %d bytes; at most %d are possible", size, int64(maxSize))
	case digest == nil && size > maxWhole:
		return nil, fmt.Errorf("CRL: %w", ErrTooLong)
	}
	w := &Writer{signer: signer, digest: digest, missing: size}
	start, err := l.start(signer)
	if err != nil {
		return nil, fmt.Errorf("encode CRL: %w", err)
	}
	if w.tail, err = l.extensions(); err != nil {
		return nil, fmt.Errorf("encode CRL: %w", err)
	}
	if size > 0 { // RFC 5280 section 5.1.2.6: the list is absent when there is none
		start = appendHeader(start, size)
	}
	inner := int64(len(start)) + size + int64(len(w.tail))
	w.head = append(appendHeader(nil, inner), start...)
	w.size = int64(len(w.head)) + size + int64(len(w.tail))
	w.take(w.head)
	return w, nil
}

// start is the DER of what stands before the entries.
func (l *List) start(signer *signing.Signer) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1Int64(1) // version 2
	b.AddBytes(signer.Identifier())
	b.AddBytes(l.Issuer)
	out, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	if out, err = appendTime(out, l.ThisUpdate); err != nil {
		return nil, err
	}
	return appendTime(out, l.NextUpdate)
}

func (w *Writer) take(p []byte) {
	if w.digest != nil {
		w.digest.Write(p)
	} else {
		w.message = append(w.message, p...)
	}
}

// Write takes encoded entries.
func (w *Writer) Write(p []byte) (int, error) {
	if w.missing -= int64(len(p)); w.missing < 0 {
		return 0, errors.New("CRL: the entries are longer than they were measured")
	}
	w.take(p)
	return len(p), nil
}

// Finish signs.
func (w *Writer) Finish() (Frame, error) {
	if w.missing != 0 {
		return Frame{}, errors.New("CRL: the entries are shorter than they were measured")
	}
	w.take(w.tail)
	toSign := w.message
	if w.digest != nil {
		toSign = w.digest.Sum(nil)
	}
	signature, err := w.signer.Sign(toSign)
	if err != nil {
		return Frame{}, fmt.Errorf("CRL: %w", err)
	}
	var b cryptobyte.Builder
	b.AddBytes(w.tail)
	b.AddBytes(w.signer.Identifier())
	b.AddASN1(tags.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(0) // unused bits
		b.AddBytes(signature)
	})
	tail, err := b.Bytes()
	if err != nil {
		return Frame{}, fmt.Errorf("encode CRL: %w", err)
	}
	frame := Frame{Tail: tail, Digest: toSign}
	if w.digest == nil {
		frame.Digest = signature
	}
	frame.Head = append(appendHeader(nil, w.size+int64(len(tail)-len(w.tail))), w.head...)
	return frame, nil
}

// appendHeader appends tag and length of a SEQUENCE (X.690 section 10.1: the shortest form).
func appendHeader(dst []byte, length int64) []byte {
	dst = append(dst, tagSequence)
	if length < 0x80 {
		return append(dst, byte(length&0x7f))
	}
	octets := 1
	for rest := length >> 8; rest > 0; rest >>= 8 {
		octets++
	}
	dst = append(dst, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		dst = append(dst, byte(length>>(8*i)&0xff))
	}
	return dst
}
