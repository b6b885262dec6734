// Package ca is the certification authority: hierarchies, profiles, issuance, ACME and revocation of X.509 certificates.
package ca
