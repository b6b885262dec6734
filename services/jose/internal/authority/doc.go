// Package authority is the domain of the JWK Authority: keys with versions that succeed each other, the public key sets that others verify
// by, and what is made with keys (JWS, JWE, JWT; RFC 7515 to 7519).
//
// Its main type is Authority. Every operation passes one choke point, Authority.permit, which loads the facts about a key and asks decide
// whether this caller may do this; only a permit opens private material.
package authority
