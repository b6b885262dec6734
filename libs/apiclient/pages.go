package apiclient

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
)

// PageSize is how many items one request of a list asks for: the services' maximum.
const PageSize = 1000

// Pages yields the items of one page after the other. fetch gets the cursor of the
// page, nil for the first, and returns that of the next, nil after the last.
func Pages[T any](fetch func(cursor *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cursor *string
		for {
			items, next, err := fetch(cursor)
			if err == nil && next != nil && cursor != nil && *next == *cursor {
				err = errors.New("the list does not end: the service answered the same cursor twice")
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			cursor = next
		}
	}
}

// CheckRef refuses what would name another path than that of a resource.
func CheckRef(ref string) error {
	if ref == "" || ref == "." || ref == ".." {
		return fmt.Errorf("%q is neither a name nor an id", ref)
	}
	return nil
}

// IdempotencyKey returns a value that no other call uses: 128 random bits or more.
func IdempotencyKey() string { return rand.Text() }

// Given returns v for a parameter, nil where it is the zero value.
func Given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
