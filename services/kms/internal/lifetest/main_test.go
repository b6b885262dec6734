// Package lifetest_test is about the life of keys and versions: their states, their aliases, and the keys that tenants publish.
package lifetest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
