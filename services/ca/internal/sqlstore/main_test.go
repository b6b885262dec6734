package sqlstore_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}
