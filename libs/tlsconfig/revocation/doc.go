// Package revocation finds out whether certificates of a verified chain are revoked: by OCSP (RFC 6960) first, then by the certificate revocation
// list of their distribution point (RFC 5280 sections 5 and 6.3; whole, sharded by issuing distribution point, and with deltas), or by lists from
// the configuration. Its main type is [Checker].
package revocation
