// Package interoptest_test is about other implementations, which read what the KMS has written and write what it reads.
package interoptest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
