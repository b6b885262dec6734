// Package acme is the server side of the Automatic Certificate Management Environment: RFC 8555 whole, with IP addresses (RFC 8738), tls-alpn-01
// (RFC 8737), renewal information (RFC 9773), external accounts and the choice of profiles (draft-ietf-acme-profiles). Its main type is
// [Server].
//
// It knows no HTTP: package acmeapi reads requests and writes answers. Every request that a client signs is opened by [Server.Open], which
// gives a [Message]; the other methods take one and do what it asks for. Errors that a client may see are of type [*Error].
//
// Nothing is kept in memory that another replica could miss. Challenges and certificates are worked on by whoever claims them in the
// database ([Server.Run]): a claim is a time after which somebody else may take over, and every change names the revision that it was made
// from, so that a replica that was given up changes nothing any more.
package acme
