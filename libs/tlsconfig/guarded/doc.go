// Package guarded fetches URLs that somebody outside can influence (client metadata, key sets, webhooks, certificate status) so that they
// cannot be turned against the network this program runs in. Its main type is [Client].
//
// A name is resolved once, through an injectable resolver, and the addresses that it gave are judged and dialled themselves: a name that
// answers differently the second time gains nothing. What is not globally reachable unicast is refused unless it is allow-listed: private,
// shared (carrier-grade NAT), loopback, link-local, unique local, multicast, reserved and documentation addresses (RFC 6890 and the registries
// that it began), cloud metadata, and each of these inside an IPv4-mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
//
// Size, time, headers and redirects are bounded, and each redirect is judged like the first URL. Neither a proxy from the environment, nor cookies,
// nor content codings are used, and no credential follows a redirect to another origin.
package guarded
