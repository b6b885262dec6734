// Package federation is a service's client side towards its peers (Identity, JOSE, KMS, CA): it finds them, calls them within bounds, and
// says how they are. Its main types are [Federation], which owns the peers that a configuration names, and [Peer].
//
// A peer may be down when the service starts. It is looked for with exponential backoff and jitter, features are switched on when it
// appears, and off when it goes. Calls are bounded by the peer's timeout, retries included; a circuit breaker fails fast when the peer
// keeps failing. Names are resolved at every dial, so that a peer may move.
package federation
