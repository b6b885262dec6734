// Package revocation revokes certificates and tells of it: by revocation lists (RFC 5280 section 5; complete, by shards, deltas) and by OCSP (RFC 6960).
//
// [Registry] revokes, [Publisher] makes lists on one replica at a time, [Lists] reads them, [Responder] answers OCSP on every replica, [Delegates]
// renews the certificates that it answers by.
//
// A revocation is one transaction: the certificate's state, a narrow row for the lists, the event, and a note in the change sequence, by which every
// replica's OCSP tells it within a second. Each revocation of a CA takes the next number of the CA's revisions, under a lock that ends with the
// transaction: who has read revision n sees all revocations up to n, and a list that was begun then covers them.
package revocation
