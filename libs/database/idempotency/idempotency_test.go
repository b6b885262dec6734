package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// sets are the platform's tables and one that requests change. A row of it whose parent is missing makes the commit fail.
func sets() []database.Set {
	return []database.Set{database.PlatformMigrations(), {Name: "orders", FS: fstest.MapFS{"0001_orders.sql": {Data: []byte(`-- +goose Up
CREATE TABLE orders (
    name   TEXT PRIMARY KEY,
    parent TEXT REFERENCES orders (name) DEFERRABLE INITIALLY DEFERRED
);
`)}}}}
}

// fixture is a Runner on a database, with a clock that the test moves.
type fixture struct {
	*idempotency.Runner
	db      *database.DB
	barrier *barrier.Barrier
	offset  *atomic.Int64 // nanoseconds that the clock is ahead
}

func (f fixture) advance(d time.Duration) { f.offset.Add(int64(d)) }

func newFixture(t *testing.T, db *database.DB) fixture {
	t.Helper()
	offset := new(atomic.Int64)
	now := func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(offset.Load())) }
	store, err := barrierstore.New(db)
	require.NoError(t, err)
	b, err := barrier.New(barrier.Config{Store: store, Now: now})
	require.NoError(t, err)
	require.NoError(t, b.Unseal(t.Context(), bytes.Repeat([]byte{7}, barrier.UnsealKeySize), "unseal"))
	runner, err := idempotency.New(idempotency.Config{DB: db, Barrier: b, Now: now})
	require.NoError(t, err)
	return fixture{Runner: runner, db: db, barrier: b, offset: offset}
}

func each(t *testing.T, test func(t *testing.T, f fixture)) {
	t.Helper()
	dbtest.Each(t, sets(), func(t *testing.T, db *database.DB) { test(t, newFixture(t, db)) })
}

// work is the type of a request's handler.
type work = func(ctx context.Context) (answer []byte, keep bool, err error)

var scope = [5]string{"acme", "client-1", "POST", "/service/api/v1/orders", "key-1"}

var body = []byte(`{"name":"x"}`)

// order creates an order of the given name in a transaction and answers with it.
func (f fixture) order(name string) work {
	return func(ctx context.Context) ([]byte, bool, error) {
		err := f.db.InTx(ctx, func(ctx context.Context) error {
			_, err := f.db.Exec(ctx, "INSERT INTO orders (name) VALUES ($1)", name)
			return err
		})
		return []byte("created " + name), true, err
	}
}

func mustNotRun(t *testing.T) work {
	return func(context.Context) ([]byte, bool, error) {
		t.Error("the request ran again")
		return nil, true, nil
	}
}

// orders are the names of all orders, in one text.
func (f fixture) orders(t *testing.T) string {
	t.Helper()
	rows, err := f.db.Query(t.Context(), "SELECT name FROM orders ORDER BY name")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var names []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return strings.Join(names, " ")
}

// spanning is the context of a test's own look at all tenants' rows.
func spanning(t *testing.T) context.Context {
	t.Helper()
	return database.WithTenant(t.Context(), database.AllTenants)
}

func (f fixture) count(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, f.db.QueryRow(spanning(t), "SELECT count(*) FROM idempotency_records").Scan(&n))
	return n
}

// expect runs a request and compares its answer.
func (f fixture) expect(t *testing.T, scope [5]string, do work, answer string, replayed bool) {
	t.Helper()
	got, again, err := f.Run(t.Context(), scope, body, do)
	require.NoError(t, err)
	assert.Equal(t, answer, string(got))
	assert.Equal(t, replayed, again)
}

func TestRun_RepeatsTheAnswerWithoutRepeatingTheRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		f.expect(t, scope, mustNotRun(t), "created x", true)
		f.advance(23 * time.Hour)
		f.expect(t, scope, mustNotRun(t), "created x", true)
		assert.Equal(t, "x", f.orders(t))
	})
}

func TestRun_EveryPartOfTheScopeCounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		for i := range scope {
			other := scope
			other[i] = "other" + strings.Repeat(" ü", 120)
			name := string(rune('a' + i))
			f.expect(t, other, f.order(name), "created "+name, false)
		}
		shifted := scope
		shifted[1], shifted[2] = scope[1]+scope[2], ""
		f.expect(t, shifted, f.order("y"), "created y", false)
		assert.Equal(t, "a b c d e x y", f.orders(t))
	})
}

func TestRun_UnderRowSecurity(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.Open(t, dbtest.TwoRoles(t, sets()...), sets()...))
	other := scope
	other[0] = "umbrella"
	f.expect(t, scope, f.order("x"), "created x", false)
	f.expect(t, other, f.order("y"), "created y", false)
	for range 2 {
		f.expect(t, scope, mustNotRun(t), "created x", true)
		f.expect(t, other, mustNotRun(t), "created y", true)
	}
	f.expect(t, [5]string{"acme", "", "", "", "free"}, func(context.Context) ([]byte, bool, error) { return []byte("busy"), false, nil }, "busy", false)
	assert.Equal(t, 2, f.count(t), "a claim that is given back is gone")
	f.advance(24 * time.Hour)
	n, err := f.Sweep(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 2, n)
}

func TestRun_AnotherBodyIsAMismatch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, func(ctx context.Context) ([]byte, bool, error) {
			_, _, err := f.Run(t.Context(), scope, []byte("other"), mustNotRun(t))
			require.ErrorIs(t, err, idempotency.ErrMismatch, "while it runs")
			return f.order("x")(ctx)
		}, "created x", false)
		_, _, err := f.Run(t.Context(), scope, []byte("other"), mustNotRun(t))
		require.ErrorIs(t, err, idempotency.ErrMismatch)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded)
		assert.Equal(t, "idempotency_mismatch", coded.ErrorCode())
	})
}

func TestRun_OfManyAtOnceOneRuns(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		var ran, answered atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				answer, replayed, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
					ran.Add(1)
					return f.order("x")(ctx)
				})
				if errors.Is(err, idempotency.ErrInProgress) {
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, "created x", string(answer))
				if !replayed {
					answered.Add(1)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, ran.Load())
		assert.EqualValues(t, 1, answered.Load())
		f.expect(t, scope, mustNotRun(t), "created x", true)
	})
}

func TestRun_SecondRequestFindsTheFirstAtWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, func(ctx context.Context) ([]byte, bool, error) {
			_, _, err := f.Run(t.Context(), scope, body, mustNotRun(t))
			var coded interface{ ErrorCode() string }
			require.ErrorAs(t, err, &coded)
			assert.Equal(t, "idempotency_in_progress", coded.ErrorCode())
			return f.order("x")(ctx)
		}, "created x", false)
	})
}

func TestRun_AbandonedClaimIsTakenOverAndItsLateHolderCommitsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		claimed, resume, late := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() { // as good as dead, until everything is over
			_, _, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
				close(claimed)
				<-resume
				return f.order("late")(ctx)
			})
			late <- err
		}()
		<-claimed
		f.advance(59 * time.Second)
		_, _, err := f.Run(t.Context(), scope, body, mustNotRun(t))
		require.ErrorIs(t, err, idempotency.ErrInProgress)
		f.advance(time.Second)
		f.expect(t, scope, func(ctx context.Context) ([]byte, bool, error) {
			close(resume) // the late holder ends before this one, and must not spoil its claim either
			require.ErrorIs(t, <-late, idempotency.ErrInProgress)
			return f.order("x")(ctx)
		}, "created x", false)
		f.expect(t, scope, mustNotRun(t), "created x", true)
		assert.Equal(t, "x", f.orders(t))
	})
}

func TestRun_LateHolderAfterCompletionCommitsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		_, _, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
			f.advance(time.Minute)
			f.expect(t, scope, f.order("x"), "created x", false)
			return f.order("late")(ctx)
		})
		require.ErrorIs(t, err, idempotency.ErrInProgress)
		assert.Equal(t, "x", f.orders(t))
		f.expect(t, scope, mustNotRun(t), "created x", true)
	})
}

func TestRun_WhatIsNotKeptLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, func(ctx context.Context) ([]byte, bool, error) {
			_, _, err := f.order("x")(ctx)
			return []byte("try later"), false, err
		}, "try later", false)
		assert.Zero(t, f.count(t))
		assert.Empty(t, f.orders(t), "the change is undone, since the request may come again")

		errOwn := errors.New("own")
		_, _, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
			_, _, err := f.order("x")(ctx)
			require.NoError(t, err)
			return []byte("ignored"), true, errOwn
		})
		require.ErrorIs(t, err, errOwn)
		assert.Zero(t, f.count(t))

		assert.PanicsWithValue(t, "boom", func() {
			_, _, _ = f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
				_, _, err := f.order("x")(ctx)
				require.NoError(t, err)
				panic("boom")
			})
		})
		assert.Zero(t, f.count(t))

		ctx, cancel := context.WithCancel(t.Context())
		_, _, err = f.Run(ctx, scope, body, func(ctx context.Context) ([]byte, bool, error) {
			defer cancel() // the client goes away
			return f.order("x")(ctx)
		})
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, f.count(t))
		assert.Empty(t, f.orders(t))

		f.expect(t, scope, f.order("x"), "created x", false)
	})
}

func TestRun_RefusalWithoutAChangeIsKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, func(context.Context) ([]byte, bool, error) { return []byte("404"), true, nil }, "404", false)
		f.expect(t, scope, mustNotRun(t), "404", true)

		empty := scope
		empty[4] = "empty"
		f.expect(t, empty, func(context.Context) ([]byte, bool, error) { return nil, true, nil }, "", false)
		f.expect(t, empty, mustNotRun(t), "", true)

		failed := scope
		failed[4] = "failed"
		f.expect(t, scope, mustNotRun(t), "404", true)
		f.expect(t, failed, func(ctx context.Context) ([]byte, bool, error) {
			_, _, err := f.order("x")(ctx)
			require.NoError(t, err)
			_, _, err = f.order("x")(ctx)
			require.True(t, database.IsUniqueViolation(err))
			return []byte("409"), true, nil
		}, "409", false)
		assert.Equal(t, "x", f.orders(t), "a failed transaction undoes itself only")
	})
}

func TestRun_FailedCommitLosesChangeAndRecord(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		_, _, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
			_, err := f.db.Exec(ctx, "INSERT INTO orders (name, parent) VALUES ('x', 'missing')")
			return []byte("created"), true, err
		})
		require.Error(t, err)
		assert.Empty(t, f.orders(t))
		assert.Zero(t, f.count(t))
		f.expect(t, scope, f.order("x"), "created x", false)
	})
}

func TestRun_ConnectionLostAtCommitIsSafeToRetry(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres, sets()...)
	dbtest.Open(t, cfg, sets()...)
	faultyCfg, fault := dbtest.Faulty(t, cfg)
	f := newFixture(t, dbtest.Open(t, faultyCfg))
	for name, step := range map[string]struct {
		lose     func()
		replayed bool
	}{
		"x": {fault.LoseNextCommit, false},
		"y": {fault.LoseNextAnswer, true},
	} {
		scope := scope
		scope[4] = name
		_, _, err := f.Run(t.Context(), scope, body, func(ctx context.Context) ([]byte, bool, error) {
			step.lose() // the claim is committed already
			return f.order(name)(ctx)
		})
		require.ErrorIs(t, err, database.ErrOutcomeUnknown)
		f.expect(t, scope, f.order(name), "created "+name, step.replayed)
	}
	assert.Equal(t, "x y", f.orders(t))
}

func TestRun_AnswerIsEncryptedAndBoundToItsRecord(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		other := scope
		other[0] = "umbrella"
		f.expect(t, scope, f.order("x"), "created x", false)
		f.expect(t, other, f.order("y"), "created y", false)
		var stored string
		require.NoError(t, f.db.QueryRow(spanning(t), "SELECT answer FROM idempotency_records WHERE tenant_id = 'acme'").Scan(&stored))
		assert.Equal(t, 4, strings.Count(stored, "."), "a compact JWE")
		_, err := f.db.Exec(spanning(t), "UPDATE idempotency_records SET answer = $1 WHERE tenant_id = 'umbrella'", stored)
		require.NoError(t, err)
		_, _, err = f.Run(t.Context(), other, body, mustNotRun(t))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "created")
	})
}

func TestRun_RefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		for _, i := range []int{0, 4} {
			incomplete := scope
			incomplete[i] = ""
			_, _, err := f.Run(t.Context(), incomplete, body, mustNotRun(t))
			require.ErrorContains(t, err, "missing")
		}
		require.NoError(t, f.db.InTx(t.Context(), func(ctx context.Context) error {
			_, _, err := f.Run(ctx, scope, body, mustNotRun(t))
			require.ErrorIs(t, err, database.ErrInTransaction)
			return nil
		}))
		f.barrier.Seal()
		_, _, err := f.Run(t.Context(), scope, body, mustNotRun(t))
		require.ErrorIs(t, err, barrier.ErrSealed)
		_, err = idempotency.New(idempotency.Config{DB: f.db})
		require.Error(t, err)
	})
}

func TestRun_ExpiredAnswerIsForgotten(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		f.advance(24 * time.Hour)
		answer, replayed, err := f.Run(t.Context(), scope, []byte("other body"), f.order("y"))
		require.NoError(t, err)
		assert.Equal(t, "created y", string(answer))
		assert.False(t, replayed)
		assert.Equal(t, "x y", f.orders(t))
	})
}

func TestSweep_DeletesWhatHasExpired(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		f.advance(time.Hour)
		later := scope
		later[4] = "later"
		f.expect(t, later, f.order("y"), "created y", false)
		const many = 1200 // more than two batches
		_, err := f.db.Exec(spanning(t), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO idempotency_records (tenant_id, scope_hash, id, fingerprint, state, attempt, claimed_at, expires_at)
			SELECT 't' || CAST(i AS TEXT), $2, 'id', $2, 'running', 1, 0, 1 FROM n`, many, []byte("hash"))
		require.NoError(t, err)
		n, err := f.Sweep(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, many, n)
		f.advance(23 * time.Hour)
		n, err = f.Sweep(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
		f.expect(t, later, mustNotRun(t), "created y", true)
	})
}
