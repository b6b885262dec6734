// Package rewrap moves what the barrier protects under its newest keys, and removes the keys that nothing uses any more. Its main type is
// [Rewrapper].
//
// Values move by themselves when their owners write them anew. What a rotation must not wait for is moved here: intermediate keys under the
// newest root key, content keys under the newest intermediate key, and the values of every [Source] under the newest content key. One
// replica works at a time; how far it is stands in the database, so that after a crash another one goes on.
package rewrap

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// Item is one wrapped value.
type Item struct {
	// Position is its place in the source's order; a non-empty text that does not change.
	Position string
	// Binding is what the value is bound to, as its owner unwraps it.
	Binding barrier.Binding
	// JWE is the value as it is stored.
	JWE string
}

// Source is a table with wrapped values. Its methods are called from one goroutine at a time, and see what was committed before.
type Source interface {
	// Name is unique and stable, such as "kms/material-keys": progress is kept under it.
	Name() string
	// Next returns up to limit items of all tenants whose positions follow after, in order; "" is before the first. None is the end.
	Next(ctx context.Context, after string, limit int) ([]Item, error)
	// Replace puts the new JWE in the place of item.JWE, in a statement that compares the old one; false if it is not what is stored any
	// more, because its owner changed or removed it.
	Replace(ctx context.Context, item Item, jwe string) (bool, error)
}
