package apiclient_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

func TestRetry_RepeatsWhatMaySucceedLater(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]http.HandlerFunc{
		"overloaded":              refuse(503, "overloaded"),
		"state unavailable":       refuse(503, "state_unavailable"),
		"rate limited":            refuse(429, "rate_limited"),
		"bad gateway":             refuse(502, "x"),
		"gateway timeout":         refuse(504, "x"),
		"idempotency in progress": refuse(409, "idempotency_in_progress"),
		"no answer":               hangUp,
		"half an answer":          halfAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := []http.HandlerFunc{failure, failure, ok(thingJSON)}
			s := serve(t, script...)
			caller, c := dial(t, s, nil)
			answer, err := get(t.Context(), caller)
			require.NoError(t, err)
			assert.Equal(t, "payroll", answer.Name)
			assert.Len(t, s.requests(), 3)
			assertPauses(t, c, 200*time.Millisecond, 400*time.Millisecond)
		})
	}
}

func TestRetry_RepeatsNothingThatIsDecided(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"bad request":     refuse(400, "validation_failed"),
		"unauthenticated": refuse(401, "unauthenticated"),
		"forbidden":       refuse(403, "insufficient_scope"),
		"not found":       refuse(404, "not_found"),
		"conflict":        refuse(409, "conflict"),
		"mismatch":        refuse(422, "idempotency_mismatch"),
		"internal error":  refuse(500, "internal_error"),
		"sealed":          refuse(503, "sealed"),
		"no JSON":         ok("{"),
		"other JSON":      ok("[]"),
		"wait too long":   refuse(503, "overloaded", "Retry-After", "31"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answer)
			caller, c := dial(t, s, nil)
			_, err := get(t.Context(), caller)
			require.Error(t, err)
			assert.Len(t, s.requests(), 1)
			assertPauses(t, c)
		})
	}
}

func TestRetry_GivesUpAfterItsRetries(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{-1: 1, 0: 3, 1: 2, 5: 6} {
		s := serve(t, refuse(503, "overloaded"))
		caller, c := dial(t, s, func(c *apiclient.Config) { c.Retries = retries })
		_, err := get(t.Context(), caller)
		var problem *apiclient.Problem
		require.ErrorAs(t, err, &problem)
		assert.Equal(t, "overloaded", problem.Code)
		assert.Equal(t, 503, problem.Status)
		assert.Len(t, s.requests(), want)
		assert.Len(t, c.pauses, want-1)
	}
}

func TestRetry_BacksOffExponentiallyWithinBounds(t *testing.T) {
	t.Parallel()
	s := serve(t, hangUp)
	caller, c := dial(t, s, func(c *apiclient.Config) { c.Retries, c.Backoff = 30, time.Second })
	_, err := get(t.Context(), caller)
	require.Error(t, err)
	bounds := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
	for len(bounds) < 30 {
		bounds = append(bounds, 5*time.Second)
	}
	assertPauses(t, c, bounds...)
}

func TestRetry_HonorsRetryAfter(t *testing.T) {
	t.Parallel()
	in20 := time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
	s := serve(t,
		refuse(503, "overloaded", "Retry-After", "7"),
		refuse(503, "sealed", "Retry-After", "3"),
		refuse(429, "rate_limited", "Retry-After", in20),
		refuse(503, "overloaded", "Retry-After", "soon"),
		ok(thingJSON))
	caller, c := dial(t, s, func(c *apiclient.Config) { c.Retries, c.Backoff = 4, time.Millisecond })
	_, err := get(t.Context(), caller)
	require.NoError(t, err)
	require.Len(t, c.pauses, 4)
	assert.Equal(t, 7*time.Second, c.pauses[0])
	assert.Equal(t, 3*time.Second, c.pauses[1])
	assert.InDelta(t, 19*time.Second, c.pauses[2], float64(2*time.Second))
	assert.Less(t, c.pauses[3], time.Second)
}

func TestRetry_StopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	caller, c := dial(t, s, nil)
	_, err := get(ctx, caller)
	require.ErrorIs(t, err, context.Canceled)
	assertPauses(t, c)

	stopped, cancel := context.WithCancel(t.Context())
	caller, _ = dial(t, serve(t, refuse(503, "overloaded")), nil)
	caller.Pause(func(context.Context, time.Duration) error { cancel(); return stopped.Err() })
	_, err = get(t.Context(), caller)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "overloaded", "the reason of the wait is told too")
}

func TestRetry_BoundsEachAttempt(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ok(thingJSON))
	caller, _ := dial(t, s, func(c *apiclient.Config) { c.Timeout = 100 * time.Millisecond })
	_, err := get(t.Context(), caller)
	require.NoError(t, err, "the second attempt is answered")
}

func TestRetry_RepeatsARefusedConnection(t *testing.T) {
	t.Parallel()
	gone := httptest.NewUnstartedServer(nil)
	gone.Close()
	caller, err := apiclient.New("test", apiclient.Config{URL: "https://" + gone.Listener.Addr().String(), Token: "t"})
	require.NoError(t, err)
	c := new(clock)
	caller.Pause(c.pause)
	_, err = get(t.Context(), caller)
	require.ErrorContains(t, err, "no answer")
	assert.Len(t, c.pauses, 2)
}
