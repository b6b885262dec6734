// Package accesstoken admits callers by access tokens of an authorization server: the JWTs of RFC 9068, verified with the issuer's published
// keys, and opaque ones, about which the server is asked (RFC 7662). Its main type is Verifier, an auth.Bearer.
//
// The tenant of a caller follows from the issuer by configuration. A token that is bound to a key or to a certificate is taken from its holder
// alone: with a proof by DPoP (RFC 9449), or over a connection with that certificate (RFC 8705). A token with administrative scopes, and one
// that lives for longer than five minutes, is never taken on its signature alone: the authorization server is asked whether it is still in
// force, and the answer is used for at most a second.
package accesstoken
