package quorum_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// desk is Approvals with a clock that is moved by hand and a list of what was recorded.
type desk struct {
	*quorum.Approvals

	db     *database.DB
	ahead  atomic.Int64
	owners map[string]string
	mu     sync.Mutex
	events []string // guarded by mu
}

func each(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	set, err := quorum.Migrations()
	require.NoError(t, err)
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		d := &desk{db: db, owners: map[string]string{}}
		d.Approvals, err = quorum.New(quorum.Config{
			DB: db, Log: slog.New(slog.DiscardHandler), Administer: "x:admin",
			Now: func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
			Record: func(_ context.Context, e quorum.Event) error {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.events = append(d.events, e.Action)
				return nil
			},
			Owner: func(_ context.Context, by *server.Principal) (string, error) { return d.owners[by.ID], nil },
		})
		require.NoError(t, err)
		test(t, d)
	})
}

func person(id string, scopes ...string) *server.Principal {
	return &server.Principal{Tenant: "acme", Kind: server.KindUser, ID: id, Scopes: scopes}
}

func program(id string) *server.Principal {
	return &server.Principal{Tenant: "acme", Kind: server.KindAPIToken, ID: id}
}

// subject takes two of anna, ben and carl.
func subject() quorum.Subject {
	return quorum.Subject{
		Operation: "destroy", Kind: "thing", Resource: "t1", Parameters: []byte(`{"version":1}`),
		Rule: &quorum.Rule{Approvals: 2, Approvers: []string{"carl", "anna", "ben"}},
	}
}

func (d *desk) ask(t *testing.T) quorum.Request {
	t.Helper()
	r, err := d.Ask(t.Context(), program("token"), subject(), "because")
	require.NoError(t, err)
	return r
}

// approved is a request that anna and ben have approved.
func (d *desk) approved(t *testing.T) quorum.Request {
	t.Helper()
	r := d.ask(t)
	for _, id := range []string{"anna", "ben"} {
		var err error
		r, err = d.Approve(t.Context(), person(id), r.ID)
		require.NoError(t, err)
	}
	require.Equal(t, quorum.Approved, r.State)
	return r
}

func (d *desk) spend(ctx context.Context, by *server.Principal, id string, s quorum.Subject) error {
	return d.db.InTx(database.WithTenant(ctx, by.Tenant), func(ctx context.Context) error { return d.Spend(ctx, by, id, s) })
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var coded problem.Coded
	require.ErrorAs(t, err, &coded, "%v", err)
	require.Equal(t, code, coded.ErrorCode(), "%v", err)
}

func TestApprove_TakesDifferentPeopleThatTheRuleNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r := d.ask(t)
		for _, nobody := range []*server.Principal{program("token"), program("anna"), person("dora"), person("dora", "x:admin")} {
			_, err := d.Approve(t.Context(), nobody, r.ID)
			require.Error(t, err, nobody.ID)
			_, err = d.Reject(t.Context(), nobody, r.ID)
			require.Error(t, err, nobody.ID)
		}
		r, err := d.Approve(t.Context(), person("anna"), r.ID)
		require.NoError(t, err)
		assert.Equal(t, quorum.Pending, r.State)
		_, err = d.Approve(t.Context(), person("anna"), r.ID)
		refused(t, err, problem.Conflict)
		refused(t, d.spend(t.Context(), program("token"), r.ID, subject()), problem.ApprovalNotUsable)
		r, err = d.Approve(t.Context(), person("ben"), r.ID)
		require.NoError(t, err)
		assert.Equal(t, quorum.Approved, r.State)
		assert.Equal(t, 2, r.Approvals)
		_, err = d.Approve(t.Context(), person("carl"), r.ID)
		refused(t, err, problem.InvalidState)
		require.NoError(t, d.spend(t.Context(), program("token"), r.ID, subject()))
		assert.Equal(t, []string{"approval.request", "approval.approve", "approval.approve", "approval.use"}, d.events)
	})
}

func TestApprove_IsNotForWhoAsksInWhateverForm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r, err := d.Ask(t.Context(), person("anna"), subject(), "because")
		require.NoError(t, err)
		_, err = d.Approve(t.Context(), person("anna"), r.ID)
		refused(t, err, problem.Forbidden)
		d.owners["hers"] = "anna"
		r, err = d.Ask(t.Context(), program("hers"), subject(), "because")
		require.NoError(t, err)
		_, err = d.Approve(t.Context(), person("anna"), r.ID)
		refused(t, err, problem.Forbidden)
		_, err = d.Approve(t.Context(), person("ben"), r.ID)
		require.NoError(t, err)
		r, err = d.Approve(t.Context(), person("carl"), r.ID)
		require.NoError(t, err)
		refused(t, d.spend(t.Context(), person("anna"), r.ID, subject()), problem.ApprovalNotUsable)
		require.NoError(t, d.spend(t.Context(), program("hers"), r.ID, subject()))
	})
}

func TestApprove_RacesCountEachPersonOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r := d.ask(t)
		var group sync.WaitGroup
		var good atomic.Int32
		for range 8 {
			group.Go(func() {
				if _, err := d.Approve(t.Context(), person("anna"), r.ID); err == nil {
					good.Add(1)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, good.Load())
		r, err := d.Get(t.Context(), program("token"), r.ID)
		require.NoError(t, err)
		assert.Equal(t, 1, r.Approvals)
		assert.Equal(t, quorum.Pending, r.State)

		for _, id := range []string{"ben", "carl"} {
			group.Go(func() { _, _ = d.Approve(t.Context(), person(id), r.ID) })
		}
		group.Wait()
		r, err = d.Get(t.Context(), program("token"), r.ID)
		require.NoError(t, err)
		assert.Equal(t, quorum.Approved, r.State)
		assert.Equal(t, 2, r.Approvals, "who came last was not needed any more")
	})
}

func TestSpend_IsOnceForTheSameThingByTheSameCaller(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r := d.approved(t)
		other := func(change func(*quorum.Subject)) quorum.Subject {
			s := subject()
			change(&s)
			return s
		}
		for what, s := range map[string]quorum.Subject{
			"operation": other(func(s *quorum.Subject) { s.Operation = "export" }), "kind": other(func(s *quorum.Subject) { s.Kind = "other" }),
			"object": other(func(s *quorum.Subject) { s.Resource = "t2" }), "parameters": other(func(s *quorum.Subject) { s.Parameters = []byte(`{"version":2}`) }),
			"no rule":    other(func(s *quorum.Subject) { s.Rule = nil }),
			"more":       other(func(s *quorum.Subject) { s.Rule.Approvals = 3 }),
			"others":     other(func(s *quorum.Subject) { s.Rule.Approvers = []string{"anna", "carl", "dora"} }),
			"shifted":    other(func(s *quorum.Subject) { s.Kind, s.Resource = "thingt", "1" }),
			"impossible": other(func(s *quorum.Subject) { s.Rule = &quorum.Rule{} }),
		} {
			refused(t, d.spend(t.Context(), program("token"), r.ID, s), problem.ApprovalNotUsable)
			got, err := d.Get(t.Context(), program("token"), r.ID)
			require.NoError(t, err)
			require.Equal(t, quorum.Approved, got.State, "it is still good after another %s", what)
		}
		stranger := program("token")
		stranger.Tenant = "other"
		for _, by := range []*server.Principal{program("another"), person("token"), person("anna"), stranger} {
			refused(t, d.spend(t.Context(), by, r.ID, subject()), problem.ApprovalNotUsable)
		}
		require.Error(t, d.Spend(t.Context(), program("token"), r.ID, subject()), "without a transaction")
		undone := errors.New("undone")
		require.ErrorIs(t, d.db.InTx(database.WithTenant(t.Context(), "acme"), func(ctx context.Context) error {
			require.NoError(t, d.Spend(ctx, program("token"), r.ID, subject()))
			return undone
		}), undone)

		var group sync.WaitGroup
		var good atomic.Int32
		for range 8 {
			group.Go(func() {
				if d.spend(t.Context(), program("token"), r.ID, subject()) == nil {
					good.Add(1)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, good.Load(), "what was undone did not use it up, and of eight at once one does")
		_, err := d.Reject(t.Context(), person("carl"), r.ID)
		refused(t, err, problem.InvalidState)
	})
}

func TestRequests_EndByTimeRejectionAndCancelling(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		rejected, cancelled, expired := d.approved(t), d.approved(t), d.approved(t)
		waiting := d.ask(t)
		_, err := d.Reject(t.Context(), person("anna"), rejected.ID)
		refused(t, err, problem.Conflict)
		_, err = d.Reject(t.Context(), person("carl"), rejected.ID)
		require.NoError(t, err)
		_, err = d.Cancel(t.Context(), person("anna"), cancelled.ID)
		refused(t, err, problem.Forbidden)
		_, err = d.Cancel(t.Context(), program("token"), cancelled.ID)
		require.NoError(t, err)
		d.ahead.Store(int64(quorum.DefaultLifetime + time.Second))
		for _, r := range []quorum.Request{rejected, cancelled, expired, waiting} {
			refused(t, d.spend(t.Context(), program("token"), r.ID, subject()), problem.ApprovalNotUsable)
			_, err := d.Approve(t.Context(), person("carl"), r.ID)
			require.Error(t, err)
			_, err = d.Cancel(t.Context(), program("token"), r.ID)
			refused(t, err, problem.InvalidState)
		}
		list, err := d.List(t.Context(), program("token"), quorum.Expired, "", 10)
		require.NoError(t, err)
		assert.Len(t, list, 2)
		require.NoError(t, d.Sweep(t.Context()))
		list, err = d.List(t.Context(), program("token"), "", "", 10)
		require.NoError(t, err)
		assert.Len(t, list, 4)
		d.ahead.Add(int64(91 * 24 * time.Hour))
		require.NoError(t, d.Sweep(t.Context()))
		list, err = d.List(t.Context(), program("token"), "", "", 10)
		require.NoError(t, err)
		assert.Empty(t, list)
	})
}

func TestRequests_AreSeenByThoseConcerned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		r := d.ask(t)
		stranger := person("anna", "x:admin")
		stranger.Tenant = "other"
		for _, by := range []*server.Principal{program("token"), person("anna"), person("carl"), person("boss", "x:admin")} {
			_, err := d.Get(t.Context(), by, r.ID)
			require.NoError(t, err)
			list, err := d.List(t.Context(), by, quorum.Pending, "", 10)
			require.NoError(t, err)
			assert.Len(t, list, 1, by.ID)
		}
		for _, by := range []*server.Principal{program("anna"), person("dora"), program("other"), stranger} {
			_, err := d.Get(t.Context(), by, r.ID)
			refused(t, err, problem.NotFound)
			list, err := d.List(t.Context(), by, "", "", 10)
			require.NoError(t, err)
			assert.Empty(t, list)
		}
	})
}

func TestApproved_StandsInForStepUpOnlyWhereItWillBeSpent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		waiting, approved := d.ask(t), d.approved(t)
		check := func(by *server.Principal, operation string, named ...string) bool {
			r := &http.Request{Header: http.Header{quorum.Header: named}}
			ok, err := d.Approved(t.Context(), r, by, operation)
			require.NoError(t, err)
			return ok
		}
		assert.True(t, check(program("token"), "destroy", approved.ID))
		assert.False(t, check(program("token"), "destroy"))
		assert.False(t, check(program("token"), "destroy", waiting.ID))
		assert.False(t, check(program("token"), "destroy", approved.ID, approved.ID))
		assert.False(t, check(program("token"), "destroy", "x"))
		assert.False(t, check(program("token"), "approveRequest", approved.ID))
		assert.False(t, check(program("other"), "destroy", approved.ID))
		require.NoError(t, d.spend(t.Context(), program("token"), approved.ID, subject()))
		assert.False(t, check(program("token"), "destroy", approved.ID))

		// The repetition of a request must come as far as the answer that is kept for it.
		repeat := func(by *server.Principal, operation, id string) bool {
			r := &http.Request{Header: http.Header{quorum.Header: {id}, "Idempotency-Key": {"k"}}}
			ok, err := d.Approved(t.Context(), r, by, operation)
			require.NoError(t, err)
			return ok
		}
		assert.True(t, repeat(program("token"), "destroy", approved.ID))
		assert.False(t, repeat(program("token"), "destroy", waiting.ID))
		assert.False(t, repeat(program("token"), "export", approved.ID))
		assert.False(t, repeat(program("other"), "destroy", approved.ID))
		require.Error(t, d.spend(t.Context(), program("token"), approved.ID, subject()), "and no further")
	})
}

func TestAsk_TakesARuleThatCanBeMet(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for _, rule := range []*quorum.Rule{nil, {}, {Approvals: 2, Approvers: []string{"a"}}, {Approvals: 1, Approvers: []string{""}}} {
			s := subject()
			s.Rule = rule
			_, err := d.Ask(t.Context(), program("token"), s, "x")
			require.Error(t, err)
		}
	})
}
