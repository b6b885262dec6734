// Package refusaltest_test is about keys that must not be used, and that every use of them is refused.
package refusaltest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
