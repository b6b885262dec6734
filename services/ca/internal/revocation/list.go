package revocation

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Complete stands for all shards of a CA.
const Complete = -1

// List is a published list without its content.
type List struct {
	Tenant, CAID, ID string
	// Shard is the part of the CA's certificates that it is about, or Complete.
	Shard int
	// Delta tells only of changes to the list with the number Base.
	Delta        bool
	Number, Base int64
	// Covers is the revision up to which it has all revocations.
	Covers int64
	// Scoped lists have an issuing distribution point; Freshest ones say where their delta is.
	Scoped, Freshest       bool
	ThisUpdate, NextUpdate time.Time
	Entries, Size          int64
	// Parts are numbered from 0.
	Parts  int
	Digest []byte
	// SupersededAt is zero for the current one.
	SupersededAt time.Time
}

// Tag identifies the list's content: a strong validator without quotes (RFC 9110 section 8.8.1).
func (l List) Tag() string {
	const enough = 16 // bytes
	return fmt.Sprintf("%d-%s", l.Number, hex.EncodeToString(l.Digest[:min(len(l.Digest), enough)]))
}

// is says whether it is a list of a shard.
func (l List) is(shard int, delta bool) bool { return l.Shard == shard && l.Delta == delta }

// current finds the current list of a shard.
func current(lists []List, shard int, delta bool) (List, bool) {
	for _, l := range lists {
		if l.is(shard, delta) && l.SupersededAt.IsZero() {
			return l, true
		}
	}
	return List{}, false
}

// previous finds the complete list before the current one, if it is still valid. lists are newest first.
func previous(lists []List, shard int) (List, bool) {
	for _, l := range lists {
		if l.is(shard, false) && !l.SupersededAt.IsZero() {
			return l, true
		}
	}
	return List{}, false
}
