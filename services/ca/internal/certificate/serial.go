package certificate

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
)

// SerialBytes is the length of a serial number that [NewSerial] draws, the longest that RFC 5280 section 4.1.2.2 allows.
const SerialBytes = 20

// Serial is a serial number: the big-endian bytes of a number above 0 and below 2^159, without leading zero bytes.
type Serial []byte

// NewSerial draws a serial number of 20 bytes. Of its bits 158 are random: the highest is 0, so that the number is positive in DER, and the next is 1,
// so that every serial has the same length. The Baseline Requirements section 7.1 ask for 64 random bits.
func NewSerial() Serial {
	s := make(Serial, SerialBytes)
	_, _ = rand.Read(s) // never fails (crypto/rand)
	s[0] = s[0]&0x3f | 0x40
	return s
}

// ParseSerial reads the text that [Serial.String] writes, and no other form of the same number.
func ParseSerial(text string) (Serial, error) {
	if text == "" || len(text) > 2*SerialBytes || len(text)%2 != 0 {
		return nil, fmt.Errorf("parse serial: it has %d digits, not an even number from 2 to %d", len(text), 2*SerialBytes)
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return nil, errors.New("parse serial: it has a character that is no lower-case hexadecimal digit")
		}
	}
	s, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("parse serial: %w", err)
	}
	if err := Serial(s).check(); err != nil {
		return nil, fmt.Errorf("parse serial: %w", err)
	}
	return s, nil
}

// SerialOf is the serial number of a certificate that was parsed elsewhere.
func SerialOf(number *big.Int) (Serial, error) {
	if number == nil || number.Sign() <= 0 {
		return nil, errors.New("serial: not above 0")
	}
	s := Serial(number.Bytes())
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("serial: %w", err)
	}
	return s, nil
}

// String is lower-case hexadecimal with an even number of digits.
func (s Serial) String() string { return hex.EncodeToString(s) }

// Int is the number.
func (s Serial) Int() *big.Int { return new(big.Int).SetBytes(s) }

func (s Serial) check() error {
	switch {
	case len(s) == 0 || s[0] == 0:
		return errors.New("the number is 0, or has leading zeros")
	case len(s) > SerialBytes || len(s) == SerialBytes && s[0] >= 0x80:
		return errors.New("the number is not below 2^159")
	default:
		return nil
	}
}
