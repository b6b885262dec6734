// Package client speaks to the KMS: [New] makes a [KMS] from a [Config], and its
// methods are the operations of the service's OpenAPI document.
//
// Connections are TLS 1.3 only. Calls are repeated when that is safe and may help:
// reading, using a key, and changing one, which happens under an Idempotency-Key that
// stays the same for all attempts, or under the ETag of what was read. What the service
// refuses comes back as a [*Problem].
//
// Subpackages hold what needs no server: package envelope the format of encrypted
// files, package filesig the statement that a file signature signs.
package client

//go:generate ../../../scripts/generate.sh kms
