package jws

import "errors"

// ASN.1 tags of the structure SEQUENCE { r INTEGER, s INTEGER } (X.690, RFC 3279 section 2.2.3).
const (
	tagInteger  = 0x02
	tagSequence = 0x30
)

const (
	// maxScalar is the length in bytes of a number below the order of P-521.
	maxScalar = 66
	// maxDER is the length of the longest signature: two integers with a leading zero, each with tag
	// and length, in a sequence whose length takes two bytes.
	maxDER = 3 + 2*(2+1+maxScalar)
)

var errSignature = errors.New("malformed ECDSA signature")

// p1363FromDER turns a DER signature made by the standard library into r and s, each of half of size
// bytes.
func p1363FromDER(der []byte, size int) ([]byte, error) {
	body, rest, ok := readElement(der, tagSequence)
	if !ok || len(rest) != 0 {
		return nil, errSignature
	}
	out := make([]byte, size)
	for _, half := range [][]byte{out[:size/2], out[size/2:]} {
		var number []byte
		if number, body, ok = readElement(body, tagInteger); !ok {
			return nil, errSignature
		}
		for len(number) > 0 && number[0] == 0 {
			number = number[1:]
		}
		if len(number) > len(half) {
			return nil, errSignature
		}
		copy(half[len(half)-len(number):], number)
	}
	if len(body) != 0 {
		return nil, errSignature
	}
	return out, nil
}

// readElement splits the first element off; lengths to 255 are enough for every curve.
func readElement(der []byte, tag byte) (value, rest []byte, ok bool) {
	if len(der) < 2 || der[0] != tag {
		return nil, nil, false
	}
	length, header := int(der[1]), 2
	if length == 0x81 && len(der) > 2 {
		length, header = int(der[2]), 3
	} else if length >= 0x80 {
		return nil, nil, false
	}
	if len(der) < header+length {
		return nil, nil, false
	}
	return der[header : header+length], der[header+length:], true
}

// appendDER turns r and s, each of exactly half of size bytes, into DER. Any other length is refused:
// an encoding that a reader may shorten or lengthen is not unique.
func appendDER(dst, p1363 []byte, size int) (der []byte, ok bool) {
	if len(p1363) != size {
		return nil, false
	}
	r, s := trim(p1363[:size/2]), trim(p1363[size/2:])
	body := 4 + len(r) + len(s) + int(r[0]>>7) + int(s[0]>>7)
	dst = append(dst, tagSequence)
	if body >= 0x80 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(body)) //nolint:gosec // at most maxDER
	return appendInteger(appendInteger(dst, r), s), true
}

// trim takes leading zeros off but leaves one byte.
func trim(number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	return number
}

func appendInteger(dst, number []byte) []byte {
	if number[0]&0x80 != 0 {
		dst = append(dst, tagInteger, byte(len(number)+1), 0) //nolint:gosec // at most maxScalar
	} else {
		dst = append(dst, tagInteger, byte(len(number))) //nolint:gosec // at most maxScalar
	}
	return append(dst, number...)
}
