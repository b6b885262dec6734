package sqlstore_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// follow opens Facts whose follower runs until the test, or stop, ends it.
func follow(t *testing.T, db *database.DB) (facts *sqlstore.Facts, stop func()) {
	t.Helper()
	follower, err := changes.New(changes.Config{DB: db, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	require.NoError(t, err)
	facts = sqlstore.NewFacts(sqlstore.New(db, secrets{}, nil), follower, 100)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, follower.Run(ctx)) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	require.NoError(t, follower.CatchUp(t.Context()))
	return facts, stop
}

func primaryOf(t *testing.T, store keyring.Store, key keyring.ElasticKey) int64 {
	t.Helper()
	_, version, err := store.KeyVersion(t.Context(), key.Tenant, keyring.Ref(key.Name), 0)
	require.NoError(t, err)
	return version.Version
}

func TestFacts_ARotationIsSeenAtOnceHereAndWithinASecondElsewhere(t *testing.T) {
	t.Parallel()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	sets := []database.Set{database.PlatformMigrations(), set}
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, sets...)
			here, _ := follow(t, dbtest.Open(t, cfg, sets...))
			elsewhere, _ := follow(t, dbtest.Open(t, cfg, sets...))
			key := elastic(t, "default", "turning")
			insert(t, here, key)
			for want := int64(1); want <= 5; want++ {
				assert.Equal(t, want, primaryOf(t, here, key))
				require.Eventually(t, func() bool { return primaryOf(t, elsewhere, key) == want }, time.Second, time.Millisecond)
				require.NoError(t, here.InTx(t.Context(), func(ctx context.Context) error {
					number, err := here.AddVersion(ctx, key, 0)
					if err != nil {
						return err
					}
					return here.InsertMaterialKey(ctx, material(t, key, number))
				}))
			}
		})
	}
}

func TestFacts_AreUnavailableOnceNobodyVouchesForThem(t *testing.T) {
	t.Parallel()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		facts, stop := follow(t, db)
		key := elastic(t, "default", "lonely")
		insert(t, facts, key)
		assert.EqualValues(t, 1, primaryOf(t, facts, key))
		stop()
		require.NoError(t, db.Close()) // whoever asks would read the change sequence himself
		var coded interface{ ErrorCode() string }
		require.Eventually(t, func() bool {
			_, _, err := facts.KeyVersion(t.Context(), key.Tenant, keyring.Ref(key.ID), 0)
			return err != nil && assert.ErrorAs(t, err, &coded) && coded.ErrorCode() == "state_unavailable"
		}, 5*time.Second, 10*time.Millisecond)
	})
}
