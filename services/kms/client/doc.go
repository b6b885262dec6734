// Package client speaks to the KMS: [New] makes a [KMS] from a [Config], and its
// methods are the operations of the service's OpenAPI document.
//
// Connections are TLS 1.3 only. Calls are repeated when that is safe and may help:
// reading, using a key, and changing one, which happens under an Idempotency-Key that
// stays the same for all attempts, or under the ETag of what was read. What the service
// refuses comes back as a [*Problem].
//
// Whatever is done with a key can be done in batches of any length ([KMS.EncryptBatch] and the like): an item that is wrong
// fails alone. What demands a fresh authentication, such as [KMS.Export], takes a client certificate: see [Config].
//
// Subpackages hold what needs no server: package filesig the statement that a file signature signs, package
// attestation the statement about a key.
package client

//go:generate ../../../scripts/generate.sh kms
