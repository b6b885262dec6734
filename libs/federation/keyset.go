package federation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Times of a KeySet.
const (
	keysDefault = 5 * time.Minute  // for an answer that says nothing about its age
	keysLeast   = 30 * time.Second // an answer is kept at least so long
	keysMost    = time.Hour        // and at most so long
	keysRefresh = 10 * time.Second // an unknown key id has the keys fetched again, at most this often
	keysStale   = 24 * time.Hour   // how long keys serve after their time when the source is away and that is allowed
	keysAhead   = 5                // Renew fetches keys in the last fifth of their time
)

// ErrUnknownKey is a key id that the set does not have, also after it was fetched anew.
var ErrUnknownKey = errors.New("no key of this id")

// KeySet keeps somebody's public keys (a JWK Set, RFC 7517 section 5) and fetches them when needed. It is safe for concurrent use.
type KeySet struct {
	url   string
	do    func(*http.Request) (*http.Response, error)
	stale bool
	now   func() time.Time
	form  form
	turn  chan struct{} // held by the one call that fetches

	mu      sync.Mutex
	keys    *jwk.Set  // guarded by mu; nil before the first
	fetched time.Time // guarded by mu: when they came
	until   time.Time // guarded by mu: when their time is over
	asked   time.Time // guarded by mu: when they were last asked for, in vain or not
	rounds  int       // guarded by mu: fetches so far, in vain or not
	used    bool      // guarded by mu: somebody has looked for a key since they came
	err     error     // guarded by mu: why the last fetch failed
}

// NewKeySet is for the set at url, which do fetches: [Peer.Do], or a guarded client for a URL that somebody outside has named. With stale,
// keys serve on for a day when they cannot be fetched.
func NewKeySet(url string, do func(*http.Request) (*http.Response, error), stale bool, now func() time.Time) *KeySet {
	return newKeySet(url, do, stale, now, keySetForm())
}

func newKeySet(url string, do func(*http.Request) (*http.Response, error), stale bool, now func() time.Time, form form) *KeySet {
	return &KeySet{url: url, do: do, stale: stale, now: now, form: form, turn: make(chan struct{}, 1)}
}

// form is what stands at the URL of a KeySet.
type form struct {
	name   string // for the memory of several
	accept string
	read   func([]byte) (*jwk.Set, error)
}

func keySetForm() form {
	return form{name: "jwks", accept: "application/jwk-set+json, application/json", read: jwk.ParseSet}
}

// Key returns the key of an id. ErrUnknownKey if there is none; another error when the keys cannot be had.
func (s *KeySet) Key(ctx context.Context, id string) (*jwk.Key, error) {
	keys, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	if key, ok := keys.Find(id); ok {
		return key, nil
	}
	// It may be younger than what is kept.
	if !s.mayAsk() {
		return nil, ErrUnknownKey
	}
	if err := s.fetch(ctx, true); err != nil {
		return nil, fmt.Errorf("%w; fetching the keys again failed: %w", ErrUnknownKey, err)
	}
	if keys, err = s.current(ctx); err != nil {
		return nil, err
	}
	if key, ok := keys.Find(id); ok {
		return key, nil
	}
	return nil, ErrUnknownKey
}

// Renew fetches the keys before their time is over if somebody has used them since they came. Whoever calls it every few seconds spares those
// who use the keys the wait. The error of a source that is away is not asked about again before its time.
func (s *KeySet) Renew(ctx context.Context) error {
	s.mu.Lock()
	now := s.now()
	due := s.keys != nil && s.used && !now.Before(s.until.Add(-s.until.Sub(s.fetched)/keysAhead)) && !now.Before(s.asked.Add(keysRefresh))
	s.mu.Unlock()
	if !due {
		return nil
	}
	return s.fetch(ctx, true)
}

// current returns the keys, fetched if their time is over.
func (s *KeySet) current(ctx context.Context) (*jwk.Set, error) {
	keys, fresh := s.kept()
	if fresh {
		return keys, nil
	}
	err := s.lastError()
	if s.mayAsk() || keys == nil && err == nil {
		err = s.fetch(ctx, false)
	}
	keys, _ = s.kept()
	if keys != nil && (err == nil || s.servesStale()) {
		return keys, nil
	}
	if err == nil {
		err = errors.New("they are out of date")
	}
	return nil, fmt.Errorf("get keys of %s: %w", s.url, err)
}

func (s *KeySet) kept() (keys *jwk.Set, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = true
	return s.keys, s.keys != nil && s.now().Before(s.until)
}

func (s *KeySet) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *KeySet) servesStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale && s.now().Before(s.until.Add(keysStale))
}

func (s *KeySet) mayAsk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.now().Before(s.asked.Add(keysRefresh))
}

// fetch gets the keys, unless another call did so, in vain or not, while this one waited.
func (s *KeySet) fetch(ctx context.Context, evenFresh bool) error {
	before := s.round()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	if s.rounds != before || !evenFresh && s.keys != nil && s.now().Before(s.until) {
		defer s.mu.Unlock()
		return s.err
	}
	s.asked = s.now()
	s.mu.Unlock()
	// The keys are everybody's: that the caller who needed them first has gone must not leave the others without.
	keys, age, err := s.get(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds++
	if s.err = err; err != nil {
		return err
	}
	now := s.now()
	s.keys, s.fetched, s.until, s.used = keys, now, now.Add(age), false
	return nil
}

func (s *KeySet) round() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rounds
}

func (s *KeySet) get(ctx context.Context) (*jwk.Set, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", s.form.accept)
	answer, err := s.do(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("answered %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, jwk.MaxSetText+1))
	if err != nil {
		return nil, 0, err
	}
	keys, err := s.form.read(text)
	if err != nil {
		return nil, 0, err
	}
	if len(keys.Keys) == 0 {
		return nil, 0, errors.New("the set holds no key that can be used")
	}
	return keys, maxAge(answer.Header), nil
}

// maxAge is how long an answer may be kept (RFC 9111 section 5.2.2), within this package's bounds.
func maxAge(header http.Header) time.Duration {
	for part := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return min(max(time.Duration(seconds)*time.Second, keysLeast), keysMost)
		}
	}
	return keysDefault
}
