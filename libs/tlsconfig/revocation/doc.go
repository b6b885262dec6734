// Package revocation finds out whether certificates of a verified chain are revoked: by OCSP (RFC 6960) first, then by the certificate revocation
// list of their distribution point (RFC 5280 sections 5 and 6.3; whole, sharded by issuing distribution point, and with deltas), or by lists from
// the configuration. Its main type is [Checker].
//
// Each certificate below the root is looked at. One for which nobody answers is refused in mode strict and admitted in mode permissive. One that names
// neither a responder nor a distribution point passes, unless a list of the configuration holds it, if its chain ends at a root of this
// installation, or if it lives for at most seven days.
//
// Answers are kept until their nextUpdate and asked for anew when three quarters of that time are over, beside the requests, which go on with the old
// answer. Evidence that is older than what is known changes nothing. What cannot be had is asked for again after ten seconds. Only evidence that was
// verified counts: an OCSP response signed by the issuer or by a responder that the issuer certified for that (whose own status is
// looked up in the lists at hand only, since fetching a status must not begin another such fetch), and lists signed by the issuer itself; indirect lists and those for some reasons only are
// refused. Responders are reached by HTTP through package guarded, and over https without a look at the status of theirs.
package revocation
