// Package service builds what every service stands on from its configuration, so that a service adds its domain and its OpenAPI
// document, and nothing else.
//
// A service is a [Service]: what it is called, its configuration, and one function that builds its [Domain] on a [Platform]. From that
// come its programs: the commands of its own binary and of the suite, the files of a new data directory, and the running [Instance].
package service
