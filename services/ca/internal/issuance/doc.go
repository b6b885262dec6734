// Package issuance issues certificates. Its main type is [Issuer].
//
// The order of work is fixed: the profile decides what will stand in the certificate; the exact bytes to be signed are made and held to the rules of
// the CA's family; a first commit stores them with their serial number and the event; then they are signed, and what was signed is
// compared with what was stored; a second commit stores the certificate. So no certificate exists that the database does not know: one
// that a crash left between the commits counts as issued, and is revoked ([Issuer.Recover]).
//
// Commits of concurrent requests are made together, each acknowledged after its own is durable.
package issuance
