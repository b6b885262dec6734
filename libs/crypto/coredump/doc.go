// Package coredump keeps the memory of a process, and with it the keys that it holds, from being written to a file when the process crashes.
// Its one function is [Off].
package coredump
