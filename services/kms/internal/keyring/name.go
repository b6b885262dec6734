package keyring

import (
	"strings"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxNameLength bounds a name so that it fits a DNS label, a file name and a column.
const maxNameLength = 63

// uuidLength is the length of a UUID's canonical text.
const uuidLength = 36

// Ref names an elastic key the way callers do: by UUID or by name.
type Ref string

// ID returns the UUID in canonical form if the reference is one; everything else is a name.
func (r Ref) ID() (string, bool) {
	return strings.ToLower(string(r)), isUUID(string(r))
}

// names tells whether there can be a key that is called so. What cannot be is not looked for: a database may refuse its very text.
func (r Ref) names() bool {
	return isUUID(string(r)) || validName(string(r))
}

func isUUID(s string) bool {
	return len(s) == uuidLength && uuid.Validate(s) == nil
}

// checkName holds names to `[a-z0-9][a-z0-9._-]{0,62}`, never UUID-shaped, so that a reference means one thing only.
func checkName(name string) error {
	if !validName(name) {
		return problem.New("validation_failed", "a name has 1 to 63 characters: lower-case letters, digits, '.', '_' and '-', the first a letter or digit")
	}
	if isUUID(name) {
		return problem.New("validation_failed", "a name must not look like a UUID")
	}
	return nil
}

func validName(name string) bool {
	if name == "" || len(name) > maxNameLength {
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
