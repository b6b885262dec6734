package revocation_test

import (
	"encoding/base64"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// TestPublisher_TellsOfARevocationByItself runs the tasks as a service does.
func TestPublisher_TellsOfARevocationByItself(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.run(t)
		for range 3 {
			c := r.issue(t)
			r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.Superseded})
			require.Eventually(t, func() bool {
				list, err := r.lists.Find(t.Context(), tenant, "ca", "0.crl")
				if err != nil || list.Entries == 0 {
					return false
				}
				_, told := reasons(r.list(t, "ca", "0.crl"))[c.String()]
				return told
			}, deadline, 20*time.Millisecond)
		}
		require.Eventually(t, func() bool { // and made a responder
			_, err := r.store.Delegate(t.Context(), tenant, "ca")
			return err == nil
		}, deadline, 20*time.Millisecond)
	})
}

func TestPublisher_MakesAListWhenItIsDueAndNotBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.publish(t)
		first := r.list(t, "ca", "0.crl")
		assert.Equal(t, r.clock.read().Add(30*time.Hour), first.NextUpdate)
		r.clock.add(24*time.Hour - time.Second)
		r.publish(t)
		assert.Equal(t, first.Number, r.list(t, "ca", "0.crl").Number)
		r.clock.add(time.Second)
		r.publish(t)
		second := r.list(t, "ca", "0.crl")
		assert.Equal(t, 1, second.Number.Cmp(first.Number))
		assert.Equal(t, r.clock.read(), second.ThisUpdate)
		r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		r.publish(t)
		assert.Len(t, r.list(t, "ca", "0.crl").RevokedCertificateEntries, 1, "a revocation does not wait for the period")
		r.clock.add(-time.Hour)
		r.publish(t)
		assert.Equal(t, r.clock.read(), r.list(t, "ca", "0.crl").ThisUpdate, "a clock that was set back does not leave a list of the future")
	})
}

// TestPublisher_TellsOfAnExpiredCertificateOnceMore follows RFC 5280 section 3.3.
func TestPublisher_TellsOfAnExpiredCertificateOnceMore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		short := r.issue(t, func(c *issuance.Certificate) { c.NotAfter = c.NotBefore.Add(time.Hour) })
		long := r.issue(t)
		r.revoke(t, revocation.Order{Serial: short.String()})
		r.revoke(t, revocation.Order{Serial: long.String()})
		r.publish(t)
		assert.Len(t, reasons(r.list(t, "ca", "0.crl")), 2)
		r.clock.add(25 * time.Hour)
		r.publish(t)
		assert.Len(t, reasons(r.list(t, "ca", "0.crl")), 2, "the first list after its end still has it")
		r.clock.add(25 * time.Hour)
		r.publish(t)
		assert.Equal(t, map[string]int{long.String(): 0}, reasons(r.list(t, "ca", "0.crl")))
		assert.Equal(t, 1, r.ask(t, "ca", short.serial).Status, "OCSP goes on telling")

		late := r.issue(t, func(c *issuance.Certificate) { c.NotAfter = r.clock.read().Add(-time.Hour) })
		r.revoke(t, revocation.Order{Serial: late.String()}) // was expired before
		r.publish(t)
		assert.Contains(t, reasons(r.list(t, "ca", "0.crl")), late.String())
	})
}

func TestPublisher_DividesAListAmongShards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 3 })
		want := [3]map[string]int{{}, {}, {}}
		all := map[string]int{}
		for i := range 9 {
			c := r.issue(t, func(c *issuance.Certificate) { c.Shard = i % 3 })
			r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.Superseded})
			want[i%3][c.String()], all[c.String()] = 4, 4
		}
		r.publish(t)
		for shard, name := range []string{"0.crl", "1.crl", "2.crl"} {
			list := r.list(t, "ca", name)
			assert.Equal(t, want[shard], reasons(list))
			assert.Contains(t, string(extensionOf(list, 28)), "http://ca.example/t/acme/pki/ca/crl/"+name)
		}
		complete := r.list(t, "ca", "complete.crl")
		assert.Equal(t, all, reasons(complete))
		assert.Empty(t, extensionOf(complete, 28))
		_, err := r.lists.Find(t.Context(), tenant, "ca", "3.crl")
		require.ErrorIs(t, err, revocation.ErrNotFound)

		// A certificate stays in its shard when there are to be fewer.
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 1 })
		r.clock.add(25 * time.Hour)
		r.publish(t)
		assert.Equal(t, want[2], reasons(r.list(t, "ca", "2.crl")))
		assert.Equal(t, r.clock.read(), r.list(t, "ca", "2.crl").ThisUpdate)
		assert.Equal(t, all, reasons(r.list(t, "ca", "complete.crl")))
	})
}

func TestPublisher_AShardWithoutADistributionPointIsNotPublished(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards, i.BaseURL = 2, "" })
		c := r.issue(t, func(c *issuance.Certificate) { c.Shard = 1 })
		r.revoke(t, revocation.Order{Serial: c.String()})
		r.publish(t)
		_, err := r.lists.Find(t.Context(), tenant, "ca", "0.crl")
		require.ErrorIs(t, err, revocation.ErrNotFound, "it would pass for the whole")
		assert.Equal(t, map[string]int{c.String(): 0}, reasons(r.list(t, "ca", "complete.crl")))
	})
}

func TestPublisher_DeltasChangeTheListBeforeAndTheOneBeforeThat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r = newReplica(t, r.db, r.shared, func(s *revocation.Settings) { s.DeltaFrom = 20 })
		hold := r.issue(t)
		r.revoke(t, revocation.Order{Serial: hold.String(), Reason: reason.CertificateHold})
		for range 29 {
			r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		}
		r.publish(t)
		first := r.list(t, "ca", "0.crl")
		assert.Contains(t, string(extensionOf(first, 46)), "http://ca.example/t/acme/pki/ca/crl/0-delta.crl")
		empty := r.list(t, "ca", "0-delta.crl")
		assert.Empty(t, empty.RevokedCertificateEntries)
		assert.Equal(t, 1, empty.Number.Cmp(first.Number))
		assert.Empty(t, extensionOf(empty, 46))

		added := r.issue(t)
		r.revoke(t, revocation.Order{Serial: added.String(), Reason: reason.Superseded})
		_, err := r.registry.Release(t.Context(), officer(), hold.String())
		require.NoError(t, err)
		r.publish(t)
		assert.Equal(t, first.Number, r.list(t, "ca", "0.crl").Number, "the whole list stays")
		changes := map[string]int{added.String(): 4, hold.String(): 8}
		delta := r.list(t, "ca", "0-delta.crl")
		assert.Equal(t, changes, reasons(delta))
		assert.Equal(t, base(t, first.Number), extensionOf(delta, 27))

		r.clock.add(24 * time.Hour)
		r.publish(t)
		second := r.list(t, "ca", "0.crl")
		assert.NotContains(t, reasons(second), hold.String())
		assert.Contains(t, reasons(second), added.String())
		delta = r.list(t, "ca", "0-delta.crl")
		assert.Equal(t, base(t, first.Number), extensionOf(delta, 27), "who has the list before can use it too")
		assert.Equal(t, changes, reasons(delta))
		assert.Equal(t, 1, delta.Number.Cmp(second.Number))

		r.clock.add(time.Hour)
		r.publish(t)
		assert.Equal(t, r.clock.read(), r.list(t, "ca", "0-delta.crl").ThisUpdate, "a delta is renewed more often")
		assert.Equal(t, second.Number, r.list(t, "ca", "0.crl").Number)

		for range 10 { // more than a quarter of the list
			r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		}
		r.publish(t)
		assert.Equal(t, 1, r.list(t, "ca", "0.crl").Number.Cmp(second.Number), "a long delta makes way for a new list")
	})
}

func TestPublisher_ARootSignsListsByCommandAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.change("ca", func(i *revocation.Issuer) { i.Manual = true })
		c := r.issue(t, func(c *issuance.Certificate) { c.Channel = issuance.ByCA })
		r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.CACompromise})
		r.publish(t)
		_, err := r.lists.Find(t.Context(), tenant, "ca", "0.crl")
		require.ErrorIs(t, err, revocation.ErrNotFound)
		require.NoError(t, r.publisher.PublishNow(t.Context(), officer(), "ca"))
		list := r.list(t, "ca", "0.crl")
		assert.Equal(t, map[string]int{c.String(): 2}, reasons(list))
		assert.Equal(t, r.clock.read().Add(180*24*time.Hour), list.NextUpdate)
		assert.True(t, problem.Is(r.publisher.PublishNow(t.Context(), officer(), "none"), problem.NotFound))
		r.cas.change("ca", func(i *revocation.Issuer) { i.Signs = false })
		assert.True(t, problem.Is(r.publisher.PublishNow(t.Context(), officer(), "ca"), "ca_offline"))
	})
}

func TestLists_AreFoundBySerialNumber(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 2 })
		r.cas.add(t, tenant, "other")
		c := r.issue(t, func(c *issuance.Certificate) { c.Shard = 1 })
		r.publish(t)
		name := base64.RawURLEncoding.EncodeToString(c.serial) + ".crl"
		assert.Equal(t, r.list(t, "ca", "1.crl").Number, r.list(t, "ca", name).Number)
		for _, of := range [][2]string{
			{"other", name},
			{"ca", base64.RawURLEncoding.EncodeToString(r.issue(t, func(c *issuance.Certificate) { c.CAID = "other" }).serial) + ".crl"},
			{"ca", name[:len(name)-5] + ".crl"},
			{"ca", "x"},
			{"ca", ".crl"},
			{"ca", "00.crl"},
			{"ca", "-1.crl"},
			{"ca", "1-delta-delta.crl"},
			{"ca", "1-delta.crl"},
			{"ca", "+1.crl"},
			{"none", "0.crl"},
		} {
			_, err := r.lists.Find(t.Context(), tenant, of[0], of[1])
			require.ErrorIs(t, err, revocation.ErrNotFound, "%v", of)
		}
		_, err := r.lists.Find(t.Context(), "stranger", "ca", "0.crl")
		require.ErrorIs(t, err, revocation.ErrNotFound)
	})
}

// TestPublisher_LeavesNothingBehind counts rows after many lists, one of which was begun by a process that died.
func TestPublisher_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		const orphan = "01890000-0000-7000-8000-000000000000"
		require.NoError(t, r.store.AddParts(t.Context(), tenant, orphan, 1, [][]byte{{1}}))
		for range 5 {
			r.publish(t)
			r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
			r.clock.add(time.Hour)
		}
		r.publish(t)
		require.NoError(t, r.store.DropOrphans(t.Context(), tenant, r.clock.read().Add(-time.Hour)))
		require.NoError(t, r.store.Discard(t.Context(), tenant, "ca", r.clock.read().Add(-time.Minute), r.clock.read()))
		var parts, lists int
		require.NoError(t, r.db.QueryRow(t.Context(), `SELECT COUNT(DISTINCT crl_id) FROM ca_crl_parts`).Scan(&parts))
		require.NoError(t, r.db.QueryRow(t.Context(), `SELECT COUNT(*) FROM ca_crls`).Scan(&lists))
		assert.Equal(t, 2, parts, "the current one, and the one before that somebody may be reading")
		assert.Equal(t, 2, lists)
		_, err := r.store.Part(t.Context(), tenant, orphan, 1)
		require.ErrorIs(t, err, revocation.ErrNotFound)
	})
}

// TestPublisher_AFailureLeavesTheListBefore fails at the last step.
func TestPublisher_AFailureLeavesTheListBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.publish(t)
		before := r.list(t, "ca", "0.crl")
		r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		r.events.fail = errors.New("the audit trail is away")
		require.ErrorIs(t, r.publisher.PublishNow(t.Context(), officer(), "ca"), r.events.fail)
		assert.Equal(t, before.Number, r.list(t, "ca", "0.crl").Number)
		var lists int
		require.NoError(t, r.db.QueryRow(t.Context(), `SELECT COUNT(DISTINCT crl_id) FROM ca_crl_parts`).Scan(&lists))
		assert.Equal(t, 1, lists, "nothing is left of what failed")
		r.events.fail = nil
		r.publish(t)
		after := r.list(t, "ca", "0.crl")
		assert.Len(t, after.RevokedCertificateEntries, 1)
		assert.Greater(t, after.Number.Int64(), before.Number.Int64()+1, "the number of what failed is not used again")
	})
}

func base(t *testing.T, number *big.Int) []byte {
	t.Helper()
	require.Less(t, number.Int64(), int64(0x80))
	return []byte{2, 1, byte(number.Int64())}
}
