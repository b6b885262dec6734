package changes_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// A caller who has left already neither spoils the read nor has the others refused.
func TestEnsure_IsNotFailedByACallerWhoLeaves(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, sets(), func(t *testing.T, db *database.DB) {
		f := newFollower(t, db, nil)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, f.Ensure(gone))
		require.NoError(t, f.Fresh())
		require.NoError(t, f.Ensure(t.Context()))
	})
}
