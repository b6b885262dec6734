// Package benchtest_test is about what a request to the KMS costs, and the primitive below it.
package benchtest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
