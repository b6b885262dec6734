// Package validation finds out whether somebody controls the names that a certificate is to hold. Its main type is [Panel], which
// looks from this machine and, where others are configured, from elsewhere in the network, and says who agreed.
//
// The challenges are http-01 and dns-01 (RFC 8555 sections 8.3 and 8.4) and tls-alpn-01 (RFC 8737), for DNS names and IP addresses (RFC
// 8738). What the owner of a DNS name allows by CAA records (RFC 8659 and RFC 8657) is asked in the same breath.
//
// Whoever orders a certificate chooses what is connected to, and what answers. So every connection goes through package guarded: names
// resolve once, private addresses are refused unless they are allow-listed, and sizes, times, ports and redirects are bounded.
package validation
