// Package hierarchy keeps certification authorities: their names, their keys behind the barrier, and the certificates by which others know them.
// Its main type is [Hierarchy].
//
// A [CA] is one name and one key. It may have several certificates: one by itself or by its superior, and others by which other hierarchies vouch
// for it (RFC 5280 section 3.2). A CA that gets a new key is another CA, its successor: both are there for as long as what the older one
// has signed is valid.
//
// The package decides who may do what to a CA, and signs nothing by itself: whoever issues takes a [Signer].
package hierarchy
