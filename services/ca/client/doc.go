// Package client speaks to the certification authority: [New] makes an [Authority] from a [Config], and its methods are the operations of the service's
// OpenAPI document.
//
// Connections are TLS 1.3 only. Calls are repeated when that is safe and may help; see package apiclient. What the service refuses comes back as a
// [*Problem], whose code says why.
package client

//go:generate ../../../scripts/generate.sh ca
