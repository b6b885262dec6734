// Package backuptest_test is about backups: who may have one, what it holds, and what a restore brings back and refuses.
package backuptest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
