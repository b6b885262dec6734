package crl

import (
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// maxSerial is the longest serial number in bytes (RFC 5280 section 4.1.2.2).
const maxSerial = 20

// Entry is one revoked certificate.
type Entry struct {
	// Serial is the certificate's serial number, big-endian without sign; positive.
	Serial []byte
	// RevokedAt is written in whole seconds.
	RevokedAt time.Time
	// Reason is left out when it is unspecified (RFC 5280 section 5.3.1).
	Reason reason.Reason
	// InvalidAt is since when the key is suspected to be compromised (RFC 5280 section 5.3.2); zero for not known.
	InvalidAt time.Time
}

// MaxEntry bounds the encoding of an entry in bytes, so that its lengths need one byte each.
const MaxEntry = 84

// Append appends the DER of the entry. It allocates nothing where dst has room.
func (e Entry) Append(dst []byte) ([]byte, error) {
	serial := e.Serial
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	switch {
	case len(serial) == 0 || len(serial) > maxSerial:
		return dst, fmt.Errorf("CRL entry: a serial number of %d bytes; 1 to %d are possible", len(serial), maxSerial)
	case !e.Reason.Valid():
		return dst, fmt.Errorf("CRL entry: %s is not known", e.Reason)
	}
	start := len(dst)
	dst = append(dst, tagSequence, 0, tagInteger, byte(len(serial)&0x7f))
	if serial[0]&0x80 != 0 { // else it would be negative
		dst[len(dst)-1]++
		dst = append(dst, 0)
	}
	dst = append(dst, serial...)
	dst, err := appendTime(dst, e.RevokedAt)
	if err != nil {
		return dst[:start], err
	}
	if e.Reason != reason.Unspecified || !e.InvalidAt.IsZero() {
		if dst, err = e.appendExtensions(dst); err != nil {
			return dst[:start], err
		}
	}
	dst[start+1] = byte((len(dst) - start - 2) & 0x7f)
	return dst, nil
}

// appendExtensions appends crlEntryExtensions; none of them is critical.
func (e Entry) appendExtensions(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, tagSequence, 0)
	if e.Reason != reason.Unspecified { // id-ce-cRLReasons, 2.5.29.21
		dst = append(dst, tagSequence, 10, tagOID, 3, 0x55, 0x1d, 21, tagOctets, 3, tagEnumerated, 1, byte(e.Reason&0x7f))
	}
	if !e.InvalidAt.IsZero() { // id-ce-invalidityDate, 2.5.29.24
		dst = append(dst, tagSequence, 24, tagOID, 3, 0x55, 0x1d, 24, tagOctets, 17)
		var err error
		if dst, err = appendGeneralized(dst, e.InvalidAt); err != nil {
			return dst, err
		}
	}
	dst[start+1] = byte((len(dst) - start - 2) & 0x7f)
	return dst, nil
}

// Tags of X.690.
const (
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagOID         = 0x06
	tagEnumerated  = 0x0a
	tagUTCTime     = 0x17
	tagGeneralized = 0x18
	tagSequence    = 0x30
)

// appendTime appends a Time: UTCTime through 2049 and GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4).
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	const first, last = 1950, 2049
	if year := t.Year(); year < first || year > last {
		return appendGeneralized(dst, t)
	}
	dst = append(dst, tagUTCTime, 13)
	dst = appendTwo(dst, t.Year()%100)
	return appendRest(dst, t), nil
}

func appendGeneralized(dst []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	year := t.Year()
	if year < 1 || year > 9999 {
		return dst, errors.New("CRL: the year of a time does not have four digits")
	}
	dst = append(dst, tagGeneralized, 15)
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	return appendRest(dst, t), nil
}

// appendRest appends what follows the year: MMDDhhmmssZ.
func appendRest(dst []byte, t time.Time) []byte {
	_, month, day := t.Date()
	hour, minute, second := t.Clock()
	for _, v := range [...]int{int(month), day, hour, minute, second} {
		dst = appendTwo(dst, v)
	}
	return append(dst, 'Z')
}

const digits = "0123456789"

func appendTwo(dst []byte, v int) []byte {
	return append(dst, digits[v/10%10], digits[v%10])
}
