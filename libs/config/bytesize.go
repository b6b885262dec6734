package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. Its text is a whole number with B, KiB, MiB, GiB or TiB (IEC 80000-13, powers of 1024), or the plain
// number of bytes.
type ByteSize int64

// Units of [ByteSize].
const (
	KiB ByteSize = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

var byteUnits = []struct {
	name string
	size ByteSize
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// UnmarshalText reads "64KiB".
func (s *ByteSize) UnmarshalText(text []byte) error {
	digits, unit := string(text), ByteSize(1)
	for _, u := range byteUnits {
		if number, found := strings.CutSuffix(digits, u.name); found {
			digits, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	number, err := strconv.ParseUint(digits, 10, 63)
	if errors.Is(err, strconv.ErrRange) || err == nil && number > math.MaxInt64/uint64(unit) {
		return errors.New("is more bytes than can be counted")
	}
	if err != nil {
		return errors.New(`is not a size; write bytes, or a whole number with KiB, MiB, GiB or TiB, such as "64KiB"`)
	}
	*s = ByteSize(number) * unit
	return nil
}

// String is the shortest exact text.
func (s ByteSize) String() string {
	for _, u := range byteUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0B"
}

// MarshalText is String.
func (s ByteSize) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
