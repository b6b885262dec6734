// Package outagetest_test is about what the KMS does while the database or a peer is away, too much is asked of it, or the clock is set,
// and how it recovers.
package outagetest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
