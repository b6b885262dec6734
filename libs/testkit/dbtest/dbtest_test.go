package dbtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestEach_GivesEveryTestItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	sets := []database.Set{database.PlatformMigrations()}
	for range 2 {
		t.Run("test", func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, sets, func(t *testing.T, db *database.DB) {
				pending, err := db.Pending(t.Context(), sets...)
				require.NoError(t, err)
				assert.Zero(t, pending)

				_, err = db.Exec(t.Context(), "CREATE TABLE mine (id BIGINT PRIMARY KEY)")
				assert.NoError(t, err, "another test's table is here")
			})
		})
	}
}
