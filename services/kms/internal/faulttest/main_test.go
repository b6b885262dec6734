// Package faulttest_test is about faults: a database that is cut off at any statement, requests that are given up, and rows that somebody
// changed.
package faulttest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
