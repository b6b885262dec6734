// Package kmstest is what the black-box tests of the KMS stand on: the real program on real TLS and a real database, requests and answers that
// must keep the conventions of the API, people who approve, holdings that others try to reach, and third parties. Its main type is Service.
//
// The tests themselves lie in the packages beside it whose names end in test, each about one subject.
package kmstest
