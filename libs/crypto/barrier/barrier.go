// Package barrier keeps keys and other secrets encrypted at rest. Its main type
// is [Barrier].
package barrier
