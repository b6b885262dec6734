package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/testkit/rotation"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	replicas = 2
	// setLifetime is that of a set, whole seconds as max-age has them; margin is what the service adds to it.
	setLifetime   = time.Second
	margin        = 1500 * time.Millisecond
	tokenLifetime = 2 * time.Second
)

// issuer is a service that rotates as it should, except for one fault.
type issuer struct {
	fault string

	mu    sync.Mutex
	turns []turn // guarded by mu; the first is there from the beginning
	asked int    // guarded by mu; tokens
}

// turn is the time in which a key signs.
type turn struct {
	key   *jwk.Key
	begin time.Time
}

func generate(t *testing.T, kid string) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	key.ID = kid
	return key
}

// rotate adds a key, which takes over when everybody must have seen it.
func (s *issuer) rotate(t *testing.T) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kid := fmt.Sprintf("key-%d", len(s.turns))
	begin := time.Now().Add(setLifetime + margin)
	switch s.fault {
	case "at once":
		begin = time.Now()
	case "early":
		begin = time.Now().Add(setLifetime / 2)
	case "never":
		begin = time.Now().Add(time.Hour)
	}
	s.turns = append(s.turns, turn{generate(t, kid), begin})
	return kid
}

// signer is the place of the key that signs at a time.
func (s *issuer) signer(now time.Time) int {
	place := 0
	for n, one := range s.turns {
		if !now.Before(one.begin) {
			place = n
		}
	}
	return place
}

func (s *issuer) issue(replica int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	now := time.Now()
	place := s.signer(now)
	if s.fault == "back" && replica == 1 && place > 0 && s.asked%20 == 0 {
		place--
	}
	key := s.turns[place].key
	if s.fault == "forgery" && s.asked == 50 {
		forged := *s.turns[len(s.turns)-1].key
		forged.ID = s.turns[0].key.ID
		key = &forged
	}
	if s.fault == "silence" && s.asked == 50 {
		return "", errors.New("no")
	}
	payload, err := json.Marshal(map[string]any{"exp": now.Add(tokenLifetime).Unix() + 1})
	if err != nil {
		return "", err
	}
	return jws.Sign(key, jws.Header{KeyID: key.ID}, payload)
}

// set is what a replica shows.
func (s *issuer) set(replica int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	place := s.signer(now)
	var keys []*jwk.Key
	for n, one := range s.turns {
		hidden := s.fault == "hidden" && replica == 1 && n > place
		forgotten := s.fault == "forgetful" && n < place
		left := n+1 < len(s.turns) && now.After(s.turns[n+1].begin.Add(tokenLifetime+2*time.Second))
		if hidden || forgotten || left {
			continue
		}
		public, err := one.key.Public()
		if err != nil {
			return nil, err
		}
		keys = append(keys, public)
	}
	return jwk.MarshalPublicSet(keys)
}

func (s *issuer) serve(t *testing.T, replica int) rotation.Replica {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := s.set(replica)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=1, stale-if-error=3600")
		w.Header().Set("ETag", jwk.ETag(text))
		if r.Header.Get("If-None-Match") == jwk.ETag(text) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	return rotation.Replica{
		Client: server.Client(), KeySet: server.URL, Issue: func(context.Context) (string, error) { return s.issue(replica) },
		Verify: func(context.Context, string) error {
			if s.fault == "refusal" {
				return errors.New("refused")
			}
			return nil
		},
	}
}

func (s *issuer) run(t *testing.T, rotations int) (rotation.Figures, error) {
	t.Helper()
	s.turns = []turn{{key: generate(t, "key-0")}}
	all := make([]rotation.Replica, replicas)
	for n := range all {
		all[n] = s.serve(t, n)
	}
	return rotation.Run(t.Context(), rotation.Config{
		Replicas: all, Issuers: 2, Verifiers: 2, Pace: 10 * time.Millisecond, Rotations: rotations, Patience: 10 * setLifetime,
		Rotate: func(context.Context, int) (string, error) { return s.rotate(t), nil },
	})
}

func TestRun_MeasuresAServiceThatKeepsTheRules(t *testing.T) {
	t.Parallel()
	got, err := (&issuer{}).run(t, 3)
	require.NoError(t, err)
	t.Log(got)
	assert.Equal(t, 3, got.Rotations)
	assert.GreaterOrEqual(t, got.Verified, got.Issued)
	assert.GreaterOrEqual(t, got.Notice, setLifetime)
	assert.Positive(t, got.Asked)
	assert.Positive(t, got.NotModified)
	assert.Greater(t, got.Fetched, got.NotModified)
	assert.Positive(t, got.Removed, "the first key is old enough to have left")
}

func TestRun_SeesEveryBreach(t *testing.T) {
	t.Parallel()
	for fault, says := range map[string]string{
		"at once":   "signs with key-1",
		"early":     "key-1",
		"hidden":    "key-1",
		"back":      "after key-1 has taken over",
		"forgetful": "key-0",
		"forgery":   "a token of key-0",
		"refusal":   "a replica refuses",
		"silence":   "issues nothing",
		"never":     "not within 10s: every replica signs with key-1",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			_, err := (&issuer{fault: fault}).run(t, 2)
			require.ErrorContains(t, err, says)
		})
	}
}
