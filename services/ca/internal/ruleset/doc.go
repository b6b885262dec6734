// Package ruleset holds certificates to rules before they are signed: RFC 5280 and the strength of keys for every family, the TLS Baseline
// Requirements 2.2.6 of the CA/Browser Forum for the family br. What the requirements change at a date stands in one table; see [Limit].
package ruleset
