package server_test

import (
	"context"
	"errors"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// fakeSeal is a barrier's door without a barrier.
type fakeSeal struct {
	mu     sync.Mutex
	sealed bool
	shares []string
	starts int
	silent bool
	err    error
}

func (s *fakeSeal) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = false
}

func (s *fakeSeal) Sealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.sealed
}

func (s *fakeSeal) Status() unseal.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := unseal.Status{Sealed: s.sealed, Mode: unseal.Shamir, Threshold: 2, Submitted: len(s.shares), SetID: "set"}
	if s.sealed && !s.silent {
		status.Reason = "waits for shares"
	}

	return status
}

func (s *fakeSeal) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts++

	return nil
}

func (s *fakeSeal) SubmitShare(_ context.Context, share string) (unseal.Status, error) {
	s.mu.Lock()
	if share == "bad" {
		s.mu.Unlock()

		return unseal.Status{}, problem.New(problem.BadRequest, "the share is damaged")
	}
	s.shares = append(s.shares, share)
	if len(s.shares) == 2 {
		s.sealed, s.shares = false, nil
	}
	s.mu.Unlock()

	return s.Status(), nil
}

func (s *fakeSeal) Seal(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = s.err == nil

	return s.err
}

// fakeIdempotency keeps answers in memory.
type fakeIdempotency struct {
	mu        sync.Mutex
	answers   map[[5]string][]byte
	asked     map[[5]string]string
	running   map[[5]string]bool
	commitErr error
	releasing error
	corrupt   bool
}

func (s *fakeIdempotency) Run(ctx context.Context, scope [5]string, body []byte, do func(context.Context) ([]byte, bool, error)) ([]byte, bool, error) {
	s.mu.Lock()
	if s.answers == nil {
		s.answers, s.asked, s.running = map[[5]string][]byte{}, map[[5]string]string{}, map[[5]string]bool{}
	}
	stored, done := s.answers[scope]
	switch {
	case (done || s.running[scope]) && s.asked[scope] != string(body):
		s.mu.Unlock()

		return nil, false, problem.New(problem.IdempotencyMismatch, "other body")
	case s.running[scope]:
		s.mu.Unlock()

		return nil, false, problem.New(problem.IdempotencyInProgress, "still running")
	case done:
		s.mu.Unlock()
		if s.corrupt {
			return []byte("{"), true, nil
		}

		return stored, true, nil
	}
	s.running[scope], s.asked[scope] = true, string(body)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, scope)
		s.mu.Unlock()
	}()
	answer, keep, err := do(ctx)
	if err == nil {
		err = s.commitErr
	} else {
		err = errors.Join(err, s.releasing)
	}
	if err == nil && keep {
		s.mu.Lock()
		s.answers[scope] = answer
		s.mu.Unlock()
	}

	return answer, false, err
}
