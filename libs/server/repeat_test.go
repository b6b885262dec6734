package server_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func withStore(store *fakeIdempotency) func(*server.Config, *server.Deps) {
	return func(_ *server.Config, d *server.Deps) { d.Idempotency = store }
}

func TestRepeat_OneEffectAndTheSameAnswer(t *testing.T) {
	t.Parallel()
	store := &fakeIdempotency{}
	f := start(t, withStore(store))
	first := f.service("writer", "POST", "/things", "Idempotency-Key", "k 1", `body:{"name":"x"}`)
	require.Equal(t, http.StatusCreated, first.StatusCode)
	assert.Empty(t, first.Header.Get("Idempotency-Replayed"))
	again := f.service("writer", "POST", "/things", "Idempotency-Key", "k 1", `body:{"name":"x"}`)
	assert.Equal(t, first.StatusCode, again.StatusCode)
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	for _, name := range []string{"Content-Type", "Location", "ETag", "Cache-Control"} {
		assert.NotEmpty(t, again.Header.Get(name), name)
		assert.Equal(t, first.Header.Get(name), again.Header.Get(name))
	}
	assert.NotEqual(t, first.Header.Get("X-Request-Id"), again.Header.Get("X-Request-Id"))
	assert.Equal(t, 1, f.calls())

	// Each of these is another request.
	for name, send := range map[string]func() answer{
		"key": func() answer {
			return f.service("writer", "POST", "/things", "Idempotency-Key", "k 2", `body:{"name":"x"}`)
		},
		"tenant": func() answer {
			return f.service("other", "POST", "/things", "Idempotency-Key", "k 1", `body:{"name":"x"}`)
		},
		"none": func() answer { return f.service("writer", "POST", "/things", `body:{"name":"x"}`) },
	} {
		before := f.calls()
		a := send()
		assert.Equal(t, http.StatusCreated, a.StatusCode, name)
		assert.Empty(t, a.Header.Get("Idempotency-Replayed"), name)
		assert.Equal(t, before+1, f.calls(), name)
	}
	for name, a := range map[string]answer{
		"body":  f.service("writer", "POST", "/things", "Idempotency-Key", "k 1", `body:{"name":"y"}`),
		"query": f.service("writer", "POST", "/things?dry_run=true", "Idempotency-Key", "k 1", `body:{"name":"x"}`),
	} {
		assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, name)
		assert.Equal(t, "idempotency_mismatch", a.problem(t).Code, name)
	}
	assert.Contains(t, store.asked, [5]string{"acme", "client:w1", "POST", "/service/api/v1/things", "k 1"})
}

func TestRepeat_AnotherResourceIsAnotherRequest(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for i, path := range []string{"/act/nothing", "/act/conflict", "/act/nothing", "/act/conflict"} {
		a := f.service("reader", "POST", path, "Idempotency-Key", "k")
		assert.Equal(t, i >= 2, a.Header.Get("Idempotency-Replayed") == "true")
	}
	assert.Equal(t, 2, f.calls())
}

func TestRepeat_KeepsOnlyFinalAnswers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for how, kept := range map[string]bool{
		"nothing": true, "conflict": true, "teapot": true, "unreadable": true,
		"uncoded": false, "forbidden": false, "in-progress": false, "redirect": false, "hint": true,
	} {
		one := f.service("reader", "POST", "/act/"+how, "Idempotency-Key", "k")
		two := f.service("reader", "POST", "/act/"+how, "Idempotency-Key", "k")
		assert.Equal(t, one.StatusCode, two.StatusCode, how)
		assert.Equal(t, kept, two.Header.Get("Idempotency-Replayed") == "true", how)
		if kept {
			assert.Equal(t, one.body, two.body, how)
		}
	}
}

func TestRepeat_ConcurrentRequests(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	first := make(chan answer, 1)
	go func() { first <- f.service("reader", "POST", "/act/block", "Idempotency-Key", "k") }()
	<-f.entered
	a := f.service("reader", "POST", "/act/block", "Idempotency-Key", "k")
	assert.Equal(t, http.StatusConflict, a.StatusCode)
	assert.Equal(t, "idempotency_in_progress", a.problem(t).Code)
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	close(f.release)
	assert.Equal(t, "released", (<-first).body)
	a = f.service("reader", "POST", "/act/block", "Idempotency-Key", "k")
	assert.Equal(t, "released", a.body)
	assert.Equal(t, "true", a.Header.Get("Idempotency-Replayed"))
}

func TestRepeat_WhatWasNotCommittedIsNotSent(t *testing.T) {
	t.Parallel()
	store := &fakeIdempotency{commitErr: errors.New("canary: disk full")}
	f := start(t, withStore(store))
	a := f.service("writer", "POST", "/things", "Idempotency-Key", "k", `body:{"name":"x"}`)
	assert.Equal(t, "internal_error", a.problem(t).Code)
	assert.NotContains(t, a.body, "created")
	assert.Empty(t, a.Header.Get("Location"))
	assert.Contains(t, f.log.String(), "canary: disk full")
	assert.Equal(t, 1, f.calls())
}

func TestRepeat_PanicsAreNotKept(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for range 2 {
		for _, how := range []string{"panic", "panic-late"} {
			a := f.service("reader", "POST", "/act/"+how, "Idempotency-Key", "k")
			assert.Equal(t, "internal_error", a.problem(t).Code, "an answer that is held back can still be replaced")
			assert.NotContains(t, a.body, "begun")
		}
	}
	assert.Equal(t, 4, f.calls())
}

func TestRepeat_FailuresOfTheStore(t *testing.T) {
	t.Parallel()
	store := &fakeIdempotency{releasing: errors.New("canary: not released"), corrupt: true}
	f := start(t, withStore(store))
	a := f.service("reader", "POST", "/act/forbidden", "Idempotency-Key", "k")
	assert.Equal(t, "forbidden", a.problem(t).Code)
	assert.Contains(t, f.log.String(), "canary: not released")
	f.service("writer", "POST", "/things", "Idempotency-Key", "k", `body:{"name":"x"}`)
	a = f.service("writer", "POST", "/things", "Idempotency-Key", "k", `body:{"name":"x"}`)
	assert.Equal(t, "internal_error", a.problem(t).Code)
	assert.Contains(t, f.log.String(), "read stored answer")
}

func TestRepeat_Keys(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for key, ok := range map[string]bool{
		"k": true, "~ !\"": true, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false, "ü": false, "a\tb": false, "\x7f": false,
	} {
		r := f.request("POST", f.PublicURL()+"/service/api/v1/act/nothing", "Authorization", "Bearer reader")
		r.Header["Idempotency-Key"] = []string{key}
		if a, err := do(f.client, r); err == nil {
			assert.Equal(t, ok, a.StatusCode == http.StatusOK, key)
		} else {
			assert.False(t, ok, "%q: %v", key, err)
		}
	}
	r := f.request("POST", f.PublicURL()+"/service/api/v1/act/nothing", "Authorization", "Bearer reader")
	r.Header["Idempotency-Key"] = []string{"a", "b"}
	assert.Equal(t, "/header/Idempotency-Key", f.send(r).problem(t).Errors[0].Pointer)
	r.Header["Idempotency-Key"] = []string{""}
	assert.Equal(t, "/header/Idempotency-Key", f.send(r).problem(t).Errors[0].Pointer)
	assert.Equal(t, http.StatusOK, f.service("reader", "POST", "/things/x/use", "Idempotency-Key", strings.Repeat("k", 300), `body:{"input":"x"}`).StatusCode,
		"an operation that changes nothing ignores the key")
}
