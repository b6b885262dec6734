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
	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
)

func TestRetry_RepeatsWhatMaySucceedLater(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]http.HandlerFunc{
		"overloaded":              double.Refuse(503, "overloaded"),
		"state unavailable":       double.Refuse(503, "state_unavailable"),
		"rate limited":            double.Refuse(429, "rate_limited"),
		"bad gateway":             double.Refuse(502, "x"),
		"gateway timeout":         double.Refuse(504, "x"),
		"idempotency in progress": double.Refuse(409, "idempotency_in_progress"),
		"no answer":               double.HangUp,
		"half an answer":          double.HalfAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := []http.HandlerFunc{failure, failure, double.OK(thingJSON)}
			s := double.Serve(t, script...)
			caller, c := dial(t, s, nil)
			answer, err := get(t.Context(), caller)
			require.NoError(t, err)
			assert.Equal(t, "payroll", answer.Name)
			assert.Len(t, s.Requests(), 3)
			assertPauses(t, c, 200*time.Millisecond, 400*time.Millisecond)
		})
	}
}

func TestRetry_RepeatsNothingThatIsDecided(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"bad request":     double.Refuse(400, "validation_failed"),
		"unauthenticated": double.Refuse(401, "unauthenticated"),
		"forbidden":       double.Refuse(403, "insufficient_scope"),
		"not found":       double.Refuse(404, "not_found"),
		"conflict":        double.Refuse(409, "conflict"),
		"mismatch":        double.Refuse(422, "idempotency_mismatch"),
		"internal error":  double.Refuse(500, "internal_error"),
		"sealed":          double.Refuse(503, "sealed"),
		"no JSON":         double.OK("{"),
		"other JSON":      double.OK("[]"),
		"wait too long":   double.Refuse(503, "overloaded", "Retry-After", "31"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := double.Serve(t, answer)
			caller, c := dial(t, s, nil)
			_, err := get(t.Context(), caller)
			require.Error(t, err)
			assert.Len(t, s.Requests(), 1)
			assertPauses(t, c)
		})
	}
}

func TestRetry_GivesUpAfterItsRetries(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{-1: 1, 0: 3, 1: 2, 5: 6} {
		s := double.Serve(t, double.Refuse(503, "overloaded"))
		caller, c := dial(t, s, func(c *apiclient.Config) { c.Retries = retries })
		_, err := get(t.Context(), caller)
		var problem *apiclient.Problem
		require.ErrorAs(t, err, &problem)
		assert.Equal(t, "overloaded", problem.Code)
		assert.Equal(t, 503, problem.Status)
		assert.Len(t, s.Requests(), want)
		assert.Len(t, c.pauses, want-1)
	}
}

func TestRetry_BacksOffExponentiallyWithinBounds(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.HangUp)
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
	s := double.Serve(t,
		double.Refuse(503, "overloaded", "Retry-After", "7"),
		double.Refuse(503, "sealed", "Retry-After", "3"),
		double.Refuse(429, "rate_limited", "Retry-After", in20),
		double.Refuse(503, "overloaded", "Retry-After", "soon"),
		double.OK(thingJSON))
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
	s := double.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	caller, c := dial(t, s, nil)
	_, err := get(ctx, caller)
	require.ErrorIs(t, err, context.Canceled)
	assertPauses(t, c)

	stopped, cancel := context.WithCancel(t.Context())
	caller, _ = dial(t, double.Serve(t, double.Refuse(503, "overloaded")), nil)
	caller.Pause(func(context.Context, time.Duration) error { cancel(); return stopped.Err() })
	_, err = get(t.Context(), caller)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "overloaded", "the reason of the wait is told too")
}

func TestRetry_BoundsEachAttempt(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, double.OK(thingJSON))
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
