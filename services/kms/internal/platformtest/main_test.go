// Package platformtest_test is about the rules of the platform, seen through the KMS: requests, lists, retries, TLS, logs, metrics and
// settings that change.
package platformtest_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
