package barrier

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Binding says what a value is and where it belongs. A wrapped value opens only
// under the binding it was wrapped with.
type Binding struct {
	Tenant string
	// Purpose is a stable label such as "kms/material-key", not the name of a table.
	Purpose string
	// ID is the row's.
	ID string
	// Version is the row's, or 0 where rows have none.
	Version int64
	// Attributes are the columns that must not change beside the value, such as
	// algorithm or exportable. Their order does not matter; their names are unique.
	Attributes []Attribute
}

// Attribute is a named value that is bound to a wrapped value.
type Attribute struct {
	Name, Value string
}

func (b Binding) check() error {
	switch {
	case b.Tenant == "":
		return errors.New("binding without tenant")
	case b.Purpose == "":
		return errors.New("binding without purpose")
	case b.ID == "":
		return errors.New("binding without id")
	}
	names := b.sorted()
	for i := 1; i < len(names); i++ {
		if names[i].Name == names[i-1].Name {
			return fmt.Errorf("binding with attribute %q twice", names[i].Name)
		}
	}
	return nil
}

// digest is what a protected header carries as "aad": the unpadded base64url
// SHA-256 over tenant, purpose, id, version and then name and value of every
// attribute, by name. Each is preceded by its length as 8 bytes big-endian, and
// the version is 8 bytes big-endian, so that no two bindings give the same input.
func (b Binding) digest() string {
	h := sha256.New()
	write := func(field string) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		h.Write(length[:])
		h.Write([]byte(field))
	}
	write(b.Tenant)
	write(b.Purpose)
	write(b.ID)
	write(string(binary.BigEndian.AppendUint64(nil, uint64(b.Version)))) //nolint:gosec // the bits matter, not the sign
	for _, attribute := range b.sorted() {
		write(attribute.Name)
		write(attribute.Value)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (b Binding) sorted() []Attribute {
	return slices.SortedFunc(slices.Values(b.Attributes), func(x, y Attribute) int { return cmp.Compare(x.Name, y.Name) })
}

// String names the value: tenant, purpose, id and version.
func (b Binding) String() string {
	return fmt.Sprintf("tenant %q, purpose %q, id %q, version %d", b.Tenant, b.Purpose, b.ID, b.Version)
}

// attributeNames lists the names for an error text; values stay out of it.
func (b Binding) attributeNames() string {
	names := make([]string, 0, len(b.Attributes))
	for _, attribute := range b.sorted() {
		names = append(names, attribute.Name)
	}
	return strings.Join(names, ", ")
}
