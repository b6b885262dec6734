// Package accesstest_test is about who may do what: tenants are apart, scopes and grants allow what they say and nothing else, and
// credentials end when they must.
package accesstest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
