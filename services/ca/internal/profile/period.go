package profile

import (
	"errors"
	"strconv"
	"time"
)

// Period is a length of time in whole seconds. Its text is a row of numbers with units: y (365 days), d (86,400 seconds), h, m and s, such as "90d"
// or "1d12h".
type Period time.Duration

var periodUnits = []struct {
	letter byte
	length time.Duration
}{{'y', 365 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// maxPeriod is the longest, about a century: more is a slip of the pen.
const maxPeriod = 100 * 365 * 24 * time.Hour

// UnmarshalText reads "90d". The units come in their order, each once.
func (p *Period) UnmarshalText(text []byte) error {
	rest, total, next := string(text), time.Duration(0), 0
	bad := errors.New(`is not a period; write numbers with y, d, h, m or s, such as "90d" or "1d12h"`)
	if rest == "" {
		return bad
	}
	if rest == "0" {
		*p = 0
		return nil
	}
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		number, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || digits == len(rest) {
			return bad
		}
		for next < len(periodUnits) && periodUnits[next].letter != rest[digits] {
			next++
		}
		if next == len(periodUnits) {
			return bad
		}
		if part := time.Duration(number); part > maxPeriod/periodUnits[next].length {
			return errors.New("is longer than a century")
		}
		total += time.Duration(number) * periodUnits[next].length
		rest = rest[digits+1:]
		next++
	}
	if total > maxPeriod {
		return errors.New("is longer than a century")
	}
	*p = Period(total)
	return nil
}

// String is the text that UnmarshalText reads.
func (p Period) String() string {
	if p == 0 {
		return "0s"
	}
	text, rest := "", time.Duration(p)
	for _, unit := range periodUnits[1:] { // days are clearer than years
		if n := rest / unit.length; n != 0 {
			text += strconv.FormatInt(int64(n), 10) + string(unit.letter)
			rest %= unit.length
		}
	}
	return text
}
