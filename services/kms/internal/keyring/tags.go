package keyring

import (
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

// Bounds of tags.
const (
	maxTags     = 50
	maxTagName  = 128
	maxTagValue = 256
)

// checkTags holds tags to what every database can keep and lists can filter by.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidMember("/tags", "at most %d tags", maxTags)
	}
	for name, value := range tags {
		if name == "" || len(name) > maxTagName || len(value) > maxTagValue || !storable(name) || !storable(value) || strings.Contains(name, "=") {
			return invalidMember("/tags", "a tag's name has 1 to %d bytes without '=', its value up to %d", maxTagName, maxTagValue)
		}
	}
	return nil
}

// storable tells whether every database can keep a text: PostgreSQL's has no U+0000.
func storable(text string) bool { return naming.Storable(text) }

// invalidMember is the refusal of one member of a request.
func invalidMember(pointer, format string, args ...any) error {
	return apivalue.Invalid(pointer, format, args...)
}
