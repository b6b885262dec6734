// Package kms is the key management service: named elastic keys, each a ring of versioned material keys, behind an HTTPS API.
package kms
