// Package benchtest_test is about what a request to the JWK Authority costs, beside handlers that do the cryptography alone.
package benchtest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
