// Package server is what stands between a service and its callers: a public HTTPS listener for programs (/service) and browsers
// (/browser), an admin listener on loopback, one pipeline that every public request passes, health, and an orderly end.
package server
