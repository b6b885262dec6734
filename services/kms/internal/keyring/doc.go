// Package keyring is the domain of the KMS: elastic keys, the material keys that are their versions, and the operations on them.
//
// Its main type is Keyring. Every operation passes one choke point, Keyring.permit, which loads the facts about a key and asks
// decide whether this caller may do this to that version; only a permit opens private material. Names follow NIST SP 800-57
// (key states, cryptoperiods) and JOSE (RFC 7515 to 7518) where they apply.
package keyring
