// Package sealtest_test is about the barrier: how it is opened, sealed and turned, and the administration of one machine.
package sealtest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
