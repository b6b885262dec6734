// Package apiclient is what the Go clients of all services share: who calls whom ([Config]), TLS 1.3 alone, calls that are repeated where that is
// safe and may help ([Call]), lists by pages, changes under the ETag of what was read, and refusals as a [*Problem].
//
// A client is generated code that builds requests, and a type with a method per operation that hands them to a [Caller].
package apiclient
