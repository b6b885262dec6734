package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// MinPassword is the length in characters of the shortest password: what SP 800-63B-4 section 3.1.1.2 asks of one that is the only
	// factor. It asks for no mixture of characters, and neither do we.
	MinPassword = 15
	// MaxPassword is the length in bytes of the longest.
	MaxPassword = 1024
)

// PreparePassword brings a password into the form that is hashed, so that it matches from every keyboard: normalization form C, every kind of
// space a space (RFC 8265 section 4.2, profile OpaqueString).
func PreparePassword(password string) []byte {
	return norm.NFC.Bytes([]byte(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, password)))
}

// CheckPassword tells whether a new password may be taken; the error has the code validation_failed and a detail for the user. The names are
// those by which others know the user.
func CheckPassword(password string, names ...string) error {
	weak := func(detail string) error {
		return problem.New(problem.ValidationFailed, "%s", detail).With(problem.Field{Pointer: "/password", Detail: detail})
	}
	prepared := string(PreparePassword(password))
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return weak("a password is text without control characters")
	case utf8.RuneCountInString(prepared) < MinPassword:
		return weak("a password has at least 15 characters; a few words make a good one")
	case len(password) > MaxPassword:
		return weak("a password has at most 1024 bytes")
	case distinct(prepared) < fewest:
		return weak("the password repeats too few characters")
	}
	rest := strings.ToLower(prepared)
	for _, name := range names {
		if name = NormalizeLogin(name); len(name) > 2 {
			rest = strings.ReplaceAll(rest, name, "")
		}
	}
	if utf8.RuneCountInString(rest) < MinPassword/2 {
		return weak("the password is little more than the user's name")
	}
	return nil
}

// fewest is how many different characters a password has.
const fewest = 5

func distinct(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}
