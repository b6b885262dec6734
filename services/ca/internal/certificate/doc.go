// Package certificate writes and reads what a certification authority signs: the TBSCertificate and extensions of X.509 (RFC 5280), certificate
// requests (RFC 2986), serial numbers, names and chains. It is pure: no database, no network, no clock.
//
// A [Request] is what a subscriber asks; an [Intent] is what a profile made of it; a [Template] adds what the issuer knows. [Template.TBS] gives the
// bytes that are linted, committed and then signed: [Sign] signs exactly these, and verifies what came back before anybody sees it.
package certificate
