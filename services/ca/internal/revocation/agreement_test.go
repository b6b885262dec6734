package revocation_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// TestAgreement_ListsOCSPAndDatabaseSayTheSame does things at random, on a CA with three shards and deltas, and compares all three with a model after
// each publication. The seed is in the log.
func TestAgreement_ListsOCSPAndDatabaseSayTheSame(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r = newReplica(t, r.db, r.shared, func(s *revocation.Settings) { s.DeltaFrom = 4 })
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 3 })
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		model := map[string]*expected{}
		var order []*expected
		for step := range 150 {
			switch action := random.IntN(10); {
			case action < 4 || len(order) == 0:
				e := &expected{issued: r.issue(t, func(c *issuance.Certificate) {
					c.Shard = random.IntN(3)
					c.NotAfter = c.NotBefore.Add(time.Duration(1+random.IntN(100)) * time.Hour)
				})}
				model[e.String()], order = e, append(order, e)
			case action < 7:
				e := order[random.IntN(len(order))]
				why := []reason.Reason{0, 1, 4, 6, 9}[random.IntN(5)]
				_, err := r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: e.String(), Reason: why})
				if e.revoke(why) {
					require.NoError(t, err)
				} else {
					require.Error(t, err)
				}
			case action < 8:
				e := order[random.IntN(len(order))]
				_, err := r.registry.Release(t.Context(), officer(), e.String())
				held := e.revoked && e.why == reason.CertificateHold
				require.Equal(t, held, err == nil, "%v", err)
				if held {
					e.revoked = false
				}
			case action < 9:
				r.clock.add(time.Duration(random.IntN(20)) * time.Hour)
			}
			if step%5 == 4 {
				r.publish(t)
				r.compare(t, model)
			}
		}
	})
}

// expected is what the model knows.
type expected struct {
	issued

	revoked bool
	why     reason.Reason
}

// revoke says whether it may be done, and does.
func (e *expected) revoke(why reason.Reason) bool {
	if e.revoked && e.why != why && why != reason.KeyCompromise && e.why != reason.CertificateHold {
		return false
	}
	e.revoked, e.why = true, why
	return true
}

// compare compares what is published with the model.
func (r *replica) compare(t *testing.T, model map[string]*expected) {
	t.Helper()
	told := [3]map[string]int{}
	for shard, name := range []string{"0", "1", "2"} {
		told[shard] = reasons(r.list(t, "ca", name+".crl"))
		whole := r.list(t, "ca", name+".crl")
		if extensionOf(whole, 46) != nil {
			delta := r.list(t, "ca", name+"-delta.crl")
			require.Equal(t, 1, delta.Number.Cmp(whole.Number))
			for serial, why := range reasons(delta) {
				if told[shard][serial] = why; why == int(reason.RemoveFromCRL) {
					delete(told[shard], serial)
				}
			}
		}
	}
	for serial, e := range model {
		response := r.ask(t, "ca", e.serial)
		status, err := r.registry.Status(t.Context(), officer(), serial)
		require.NoError(t, err)
		why, listed := told[e.row.Shard][serial]
		if !e.revoked {
			require.Equal(t, witness.Good, response.Status)
			require.Equal(t, revocation.Issued, status.State)
			require.False(t, listed, "%s is not revoked", serial)
			continue
		}
		require.Equal(t, witness.Revoked, response.Status)
		require.Equal(t, int(e.why), response.RevocationReason)
		require.Equal(t, revocation.Revoked, status.State)
		require.Equal(t, e.why, status.Reason)
		if listed {
			require.Equal(t, int(e.why), why)
		} else {
			require.True(t, e.row.NotAfter.Before(r.clock.read()), "%s is revoked, not expired and not listed", serial)
		}
	}
	for shard := range told {
		for serial := range told[shard] {
			require.Contains(t, model, serial)
			require.Equal(t, shard, model[serial].row.Shard)
		}
	}
}

// TestNumbers_RiseAndNoneIsUsedTwice has two replicas publish at once, without the lease that keeps them apart, while certificates are revoked.
func TestNumbers_RiseAndNoneIsUsedTwice(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, b *replica) {
		a.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 2 })
		replicas := []*replica{a, b}
		var ready []issued
		for i := range 20 {
			ready = append(ready, replicas[0].issue(t, func(c *issuance.Certificate) { c.Shard = i % 2 }))
		}
		var working sync.WaitGroup
		for at, r := range replicas {
			working.Go(func() {
				for i := range 10 {
					_, err := r.registry.Revoke(t.Context(), officer(), revocation.Order{Serial: ready[2*i+at].String()})
					assert.NoError(t, err)
					_ = r.publisher.PublishNow(t.Context(), officer(), "ca") // who was too late is told so
				}
			})
		}
		working.Go(func() { // a reader sees numbers rise
			last := int64(0)
			for range 200 {
				list, err := replicas[1].store.Store.Current(t.Context(), tenant, "ca", 0, false)
				if err == nil {
					assert.GreaterOrEqual(t, list.Number, last)
					last = list.Number
				}
			}
		})
		working.Wait()
		require.NoError(t, replicas[0].publisher.PublishNow(t.Context(), officer(), "ca"))
		require.NoError(t, replicas[1].follower.CatchUp(t.Context()))
		complete := reasons(replicas[1].list(t, "ca", "complete.crl"))
		for _, c := range ready {
			assert.Contains(t, complete, c.String())
		}
		// All lists that ever were are in the table, for none is old enough to be removed; it refuses a number that comes twice.
		rows, err := a.db.Query(t.Context(), `SELECT shard, number, superseded_at, covers FROM ca_crls ORDER BY number`)
		require.NoError(t, err)
		type row struct{ shard, number, superseded, covers int64 }
		all, err := database.Collect(rows, func(r database.Scanner) (x row, err error) {
			err = r.Scan(&x.shard, &x.number, &x.superseded, &x.covers)
			return x, err
		})
		require.NoError(t, err)
		last, covers, current := map[int64]int64{}, map[int64]int64{}, map[int64]int{}
		for _, x := range all {
			require.Greater(t, x.number, last[x.shard])
			require.GreaterOrEqual(t, x.covers, covers[x.shard])
			last[x.shard], covers[x.shard] = x.number, x.covers
			if x.superseded == 0 {
				current[x.shard]++
			}
		}
		assert.Equal(t, map[int64]int{-1: 1, 0: 1, 1: 1}, current)
	})
}
