// Package naming is how resources are called: by UUID, or by a name that is never shaped like one, so that a reference means one thing
// only. Its main type is Ref.
package naming

import (
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxLength bounds a name so that it fits a DNS label, a file name and a column.
const maxLength = 63

// uuidLength is the length of a UUID's canonical text.
const uuidLength = 36

// Ref names a resource the way callers do: by UUID or by name.
type Ref string

// ID returns the UUID in canonical form if the reference is one; everything else is a name.
func (r Ref) ID() (string, bool) {
	return strings.ToLower(string(r)), IsUUID(string(r))
}

// Names tells whether there can be a resource that is called so. What cannot be is not looked for: a database may refuse its very text.
func (r Ref) Names() bool {
	return IsUUID(string(r)) || Valid(string(r))
}

// IsUUID tells whether a text is a UUID in its canonical form, in either case.
func IsUUID(s string) bool {
	return len(s) == uuidLength && uuid.Validate(s) == nil
}

// Check holds names to `[a-z0-9][a-z0-9._-]{0,62}`, never UUID-shaped. Its errors have the code validation_failed.
func Check(name string) error {
	if !Valid(name) {
		return problem.New(problem.ValidationFailed, "a name has 1 to 63 characters: lower-case letters, digits, '.', '_' and '-', the first a letter or digit")
	}
	if IsUUID(name) {
		return problem.New(problem.ValidationFailed, "a name must not look like a UUID")
	}

	return nil
}

// Valid tells whether a text has the form of a name.
func Valid(name string) bool {
	if name == "" || len(name) > maxLength {
		return false
	}
	for i := range len(name) {
		c := name[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}

	return true
}

// Storable tells whether every database can keep a text: PostgreSQL's has no U+0000.
func Storable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}
