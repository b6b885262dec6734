package jwt

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errDate = errors.New("not a date: seconds since 1970, from 0 to the year 9999, without exponent")

// lastSecond is the last of the year 9999, the end of what RFC 3339 can write.
const lastSecond = 253402300799

// parseDate reads the text of a NumericDate (RFC 7519 section 2): whole seconds, or with up to nine digits of
// a fraction. Exponents and signs are numbers of JSON as well, but no writer of dates needs them.
func parseDate(text []byte) (time.Time, error) {
	whole, fraction, hasFraction := strings.Cut(string(text), ".")
	seconds, ok := digits(whole, len("253402300799"))
	if !ok || seconds > lastSecond {
		return time.Time{}, errDate
	}
	if !hasFraction {
		return time.Unix(seconds, 0), nil
	}
	const places = len("999999999")
	if _, ok := digits(fraction, places); !ok {
		return time.Time{}, errDate
	}
	nanoseconds, _ := digits(fraction+strings.Repeat("0", places-len(fraction)), places)
	return time.Unix(seconds, nanoseconds), nil
}

// digits reads one to most decimal digits.
func digits(text string, most int) (int64, bool) {
	if text == "" || len(text) > most || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
