package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
)

func TestRetention_CutsAtACheckpointAndTheRestVerifies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(1500)
		r.sequence()
		r.signed()
		before := r.export("acme")
		r.clock.move(48 * time.Hour)
		r.recorded(3)
		r.signed()
		require.NoError(t, r.Retain(t.Context(), unfenced))
		assert.Equal(t, 1503, r.count("SELECT count(*) FROM audit_events"), "noted")
		require.NoError(t, r.Retain(t.Context(), unfenced))
		assert.Equal(t, 4, r.count("SELECT count(*) FROM audit_events"), "three, and the one of the cut")
		export := r.export("acme")
		result, err := r.verify(export, r.logged()...)
		require.NoError(t, err)
		assert.Equal(t, int64(1501), result.First)
		assert.Equal(t, int64(1504), result.Signed)
		_, err = r.verify(before)
		require.NoError(t, err)
		assert.Equal(t, []string{"key.create", "key.create", "key.create", "audit.cut"}, actions(events(t, export)))
		require.NoError(t, r.Retain(t.Context(), unfenced))
		assert.Equal(t, 4, r.count("SELECT count(*) FROM audit_events"))
		r.recorded(1)
		assert.Len(t, r.intact("acme"), 5)
	}, func(c *audit.Config) { c.Retention = 24 * time.Hour })
}

func TestRetention_AClockThatIsWrongForAWhileRemovesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(10)
		r.sequence()
		r.signed()
		r.clock.move(365 * 24 * time.Hour)
		require.NoError(t, r.Retain(t.Context(), unfenced))
		r.clock.move(-365 * 24 * time.Hour)
		require.NoError(t, r.Retain(t.Context(), unfenced))
		r.clock.move(365 * 24 * time.Hour)
		require.NoError(t, r.Retain(t.Context(), unfenced))
		assert.Equal(t, 10, r.count("SELECT count(*) FROM audit_events"))
	}, func(c *audit.Config) { c.Retention = 24 * time.Hour })
}

func TestRetention_GoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(1500)
		r.sequence()
		r.signed()
		r.clock.move(48 * time.Hour)
		require.NoError(t, r.Retain(t.Context(), unfenced))
		mend := r.breaks("DELETE", "audit_events")
		require.Error(t, r.Retain(t.Context(), unfenced))
		mend()
		assert.Equal(t, 1501, r.count("SELECT count(*) FROM audit_events"), "the cut is noted, nothing is removed yet")
		assert.Len(t, r.intact("acme"), 1)
		require.NoError(t, r.Retain(t.Context(), unfenced))
		assert.Equal(t, 1, r.count("SELECT count(*) FROM audit_events"))
		assert.Len(t, r.intact("acme"), 1)
	}, func(c *audit.Config) { c.Retention = 24 * time.Hour })
}
