// Package usetest_test is about what keys are for: every operation, with every algorithm.
package usetest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
