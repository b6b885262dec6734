// Package crl writes certificate revocation lists (RFC 5280 section 5): complete, limited to a distribution point, and deltas, of any length in
// little memory. Its main functions are [Encode], and [Start] for whoever keeps the encoded entries.
//
// DER puts lengths first, and the length of an ECDSA signature is known last. So a list is gone through three times: measured, digested and signed,
// written. With a [Writer] the entries are encoded once and kept by the caller, who reads them again for the signature.
package crl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

// Entries gives the entries of a list, the same in the same order each time that it is called. It ends at the first error.
type Entries iter.Seq2[Entry, error]

// buffered is how much is written at once, in bytes.
const buffered = 64 << 10

// Encode writes the DER of a signed list. What was written before an error is to be thrown away.
func Encode(out io.Writer, l List, entries Entries, signer *signing.Signer) error {
	size, err := Measure(entries)
	if err != nil {
		return err
	}
	w, err := Start(l, size, signer)
	if err != nil {
		return err
	}
	if err := each(entries, w); err != nil {
		return err
	}
	frame, err := w.Finish()
	if err != nil {
		return err
	}
	if _, err := out.Write(frame.Head); err != nil {
		return fmt.Errorf("write CRL: %w", err)
	}
	again, err := Start(l, size, signer)
	if err != nil {
		return err
	}
	if err := each(entries, io.MultiWriter(again, out)); err != nil {
		return err
	}
	if !again.like(w) {
		return errors.New("CRL: the entries have changed while they were signed")
	}
	if _, err := out.Write(frame.Tail); err != nil {
		return fmt.Errorf("write CRL: %w", err)
	}
	return nil
}

// Measure adds up the length of the encoded entries, in bytes.
func Measure(entries Entries) (size int64, err error) {
	var buffer [MaxEntry]byte
	for entry, err := range entries {
		if err != nil {
			return 0, err
		}
		der, err := entry.Append(buffer[:0])
		if err != nil {
			return 0, err
		}
		size += int64(len(der))
	}
	return size, nil
}

// each writes the encoded entries.
func each(entries Entries, out io.Writer) error {
	buffer := bufio.NewWriterSize(out, buffered)
	var der [MaxEntry]byte
	for entry, err := range entries {
		if err != nil {
			return err
		}
		one, err := entry.Append(der[:0])
		if err != nil {
			return err
		}
		if _, err := buffer.Write(one); err != nil {
			return fmt.Errorf("write CRL: %w", err)
		}
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("write CRL: %w", err)
	}
	return nil
}

// like says whether a writer that is not finished has seen what one that is has signed.
func (w *Writer) like(signed *Writer) bool {
	if w.missing != 0 {
		return false
	}
	w.take(w.tail)
	if w.digest != nil {
		return bytes.Equal(w.digest.Sum(nil), signed.digest.Sum(nil))
	}
	return bytes.Equal(w.message, signed.message)
}
