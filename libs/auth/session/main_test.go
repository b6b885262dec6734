package session_test

import (
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func sets() []database.Set { return nil }

var _ = dbtest.Each
