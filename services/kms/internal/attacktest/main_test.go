// Package attacktest_test is about attacks on the KMS, and the rules of the OWASP Application Security Verification Standard 5.0 by their
// numbers.
package attacktest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
