package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
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
			script := []http.HandlerFunc{failure, failure, ok(`{"valid":true,"version":1}`)}
			s := serve(t, script...)
			kms, c := dial(t, s, nil)
			answer, err := kms.Verify(t.Context(), "payroll", client.VerifyRequest{Signature: "a.b.c"})
			require.NoError(t, err)
			assert.True(t, answer.Valid)
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
			kms, c := dial(t, s, nil)
			_, err := kms.GetKey(t.Context(), "payroll")
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
		kms, c := dial(t, s, func(c *client.Config) { c.Retries = retries })
		_, err := kms.GetKey(t.Context(), "payroll")
		var problem *client.Problem
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
	kms, c := dial(t, s, func(c *client.Config) { c.Retries, c.Backoff = 30, time.Second })
	_, err := kms.GetKey(t.Context(), "payroll")
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
		ok(keyJSON))
	kms, c := dial(t, s, func(c *client.Config) { c.Retries, c.Backoff = 4, time.Millisecond })
	_, err := kms.GetKey(t.Context(), "payroll")
	require.NoError(t, err)
	require.Len(t, c.pauses, 4)
	assert.Equal(t, 7*time.Second, c.pauses[0])
	assert.Equal(t, 3*time.Second, c.pauses[1])
	assert.InDelta(t, 19*time.Second, c.pauses[2], float64(2*time.Second))
	assert.Less(t, c.pauses[3], time.Second)
}

func TestRetry_KeepsTheIdempotencyKeyOfACall(t *testing.T) {
	t.Parallel()
	script := []http.HandlerFunc{hangUp, ok(keyJSON), ok(keyJSON), refuse(503, "overloaded"), ok(versionJSON), ok(`{"plaintext":"eA"}`)}
	s := serve(t, script...)
	kms, _ := dial(t, s, nil)
	spec := client.CreateElasticKey{Name: "payroll", Algorithm: "A256GCM/A256KW"}
	for range 2 {
		_, err := kms.CreateKey(t.Context(), spec)
		require.NoError(t, err)
	}
	_, err := kms.RotateKey(t.Context(), "payroll")
	require.NoError(t, err)
	_, err = kms.Decrypt(t.Context(), "payroll", "a.b.c.d.e", nil)
	require.NoError(t, err)

	seen := s.requests()
	require.Len(t, seen, 6)
	var keys []string
	for _, r := range seen {
		keys = append(keys, r.header.Get("Idempotency-Key"))
	}
	assert.Equal(t, keys[0], keys[1])
	assert.NotEqual(t, keys[1], keys[2])
	assert.Equal(t, keys[3], keys[4])
	assert.NotEqual(t, keys[2], keys[3])
	assert.GreaterOrEqual(t, len(keys[0]), 26, "128 bits in base32")
	assert.Empty(t, keys[5], "decrypting changes nothing")
	assert.Equal(t, seen[0].body, seen[1].body)
}

func TestRetry_StopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	kms, c := dial(t, s, nil)
	_, err := kms.GetKey(ctx, "payroll")
	require.ErrorIs(t, err, context.Canceled)
	assertPauses(t, c)

	stopped, cancel := context.WithCancel(t.Context())
	kms, _ = dial(t, serve(t, refuse(503, "overloaded")), nil)
	kms.Pause(func(context.Context, time.Duration) error { cancel(); return stopped.Err() })
	_, err = kms.GetKey(t.Context(), "payroll")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "overloaded", "the reason of the wait is told too")
}

func TestRetry_BoundsEachAttempt(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ok(keyJSON))
	kms, _ := dial(t, s, func(c *client.Config) { c.Timeout = 100 * time.Millisecond })
	_, err := kms.GetKey(t.Context(), "payroll")
	require.NoError(t, err, "the second attempt is answered")
}

func TestRetry_RepeatsARefusedConnection(t *testing.T) {
	t.Parallel()
	gone := httptest.NewUnstartedServer(nil)
	gone.Close()
	kms, err := client.New(client.Config{URL: "https://" + gone.Listener.Addr().String(), Token: "t"})
	require.NoError(t, err)
	c := new(clock)
	kms.Pause(c.pause)
	_, err = kms.Self(t.Context())
	require.ErrorContains(t, err, "no answer")
	assert.Len(t, c.pauses, 2)
}
