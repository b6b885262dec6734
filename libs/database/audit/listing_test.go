package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
)

func TestExport_OfARangeIsWidenedToCheckpoints(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for range 4 {
			r.recorded(5)
			r.signed()
			r.clock.move(time.Hour)
		}
		for name, test := range map[string]struct {
			r           audit.Range
			first, last int64
		}{
			"numbers": {audit.Range{From: 7, To: 8}, 6, 10},
			"from":    {audit.Range{From: 12}, 11, 20},
			"to":      {audit.Range{To: 5}, 1, 5},
			"times":   {audit.Range{Since: newClock().Now().Add(time.Hour), Until: newClock().Now().Add(2 * time.Hour)}, 6, 10},
		} {
			var out strings.Builder
			require.NoError(t, r.Export(t.Context(), "acme", test.r, &out), name)
			result, err := auditchain.Verify(strings.NewReader(out.String()), auditchain.Options{Keys: r.keys(), Trusted: r.logged(), Partial: true})
			require.NoError(t, err, name)
			assert.Equal(t, []int64{test.first, test.last, test.last}, []int64{result.First, result.Last, result.Signed}, name)
		}
	})
}

func TestList_FiltersAndPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for i := range 10 {
			r.record(audit.Event{
				Action: []string{"a", "b"}[i%2], Outcome: []string{audit.Allowed, audit.Denied}[i/5],
				Actor: audit.Actor{Kind: "user", ID: fmt.Sprint("u", i%3)}, Object: audit.Object{Kind: "key", ID: fmt.Sprint("k", i%4)},
			})
			r.sequence()
			r.clock.move(time.Minute)
		}
		r.record(audit.Event{Tenant: "other", Action: "a"})
		r.sequence()
		list := func(f audit.Filter, after int64, limit int) (seqs []int64) {
			entries, err := r.List(t.Context(), "acme", f, after, limit)
			require.NoError(t, err)
			for _, e := range entries {
				assert.True(t, e.Intact)
				seqs = append(seqs, e.Seq)
			}
			return seqs
		}
		assert.Equal(t, []int64{1, 2, 3}, list(audit.Filter{}, 0, 3))
		assert.Equal(t, []int64{4, 5}, list(audit.Filter{}, 3, 2))
		assert.Equal(t, []int64{10, 9}, list(audit.Filter{Newest: true}, 0, 2))
		assert.Equal(t, []int64{8, 7}, list(audit.Filter{Newest: true}, 9, 2))
		assert.Equal(t, []int64{2, 4}, list(audit.Filter{Action: "b", Outcome: audit.Allowed}, 0, 100))
		assert.Equal(t, []int64{1, 4, 7, 10}, list(audit.Filter{ActorID: "u0"}, 0, 100))
		assert.Equal(t, []int64{1, 5, 9}, list(audit.Filter{ObjectKind: "key", ObjectID: "k0"}, 0, 100))
		start := newClock().Now()
		assert.Equal(t, []int64{3, 4}, list(audit.Filter{Since: start.Add(2 * time.Minute), Until: start.Add(4 * time.Minute)}, 0, 100))
		assert.Empty(t, list(audit.Filter{Action: "a' OR '1'='1"}, 0, 100))
		for _, limit := range []int{0, 1002} {
			_, err := r.List(t.Context(), "acme", audit.Filter{}, 0, limit)
			require.Error(t, err)
		}
	})
}
