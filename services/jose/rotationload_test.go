package jose_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/rotation"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

// leaping is the machine's clock, which can be put forward.
type leaping struct{ ahead atomic.Int64 } // nanoseconds

func (c *leaping) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// exchange makes a request within ctx, and wants a success.
func (s *service) exchange(ctx context.Context, t testing.TB, token, path string, body any) (answer, error) {
	t.Helper()
	got, err := servicetest.Exchange(s.HTTP, s.Request(t, token, http.MethodPost, path, body).WithContext(ctx))
	if err == nil && got.Status/100 != 2 {
		err = fmt.Errorf("%s: %d %s", path, got.Status, got.Body)
	}
	return answer{got}, err
}

// replica is the service as its issuers and verifiers have it.
func (s *service) replica(t testing.TB, token string) rotation.Replica {
	t.Helper()
	return rotation.Replica{
		Client: s.HTTP, KeySet: s.URL() + "/.well-known/jwks.json",
		Issue: func(ctx context.Context) (string, error) {
			got, err := s.exchange(ctx, t, token, "jwt/issue", object{"profile": "access"})
			if err != nil {
				return "", err
			}
			return got.Member(t, "token"), nil
		},
		Verify: func(ctx context.Context, text string) error {
			_, err := s.exchange(ctx, t, token, "jwt/verify", object{"profile": "access", "token": text})
			return err
		},
	}
}

// By the machine's clock, with a set that may be kept for a second: versions take over by themselves on two replicas that sign all the time, and
// no verifier ever meets a token that it cannot verify. Every version stays in the set for as long as its tokens may be taken, and then leaves.
func TestRotation_UnderLoadIsSeenByNoVerifier(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const (
				rotations = 2
				lifetime  = 4 * time.Second // of tokens
				tolerance = 6 * time.Minute // more than what is added to it
			)
			c := &leaping{}
			cfg, files := prepare(t, engine)
			cfg.Keys.SetLifetime = time.Second
			replicas := make([]*service, 2)
			for n := range replicas {
				replicas[n] = &service{Running: servicetest.Run(t, jose.Timed(c.Now), cfg, files, &servicetest.Log{}), logs: &servicetest.Log{}}
			}
			first := replicas[0]
			token := first.Operator(t)
			first.post(t, token, "keys", object{"name": "signer", "algorithm": "ES256", "token_lifetime_seconds": int(lifetime / time.Second)})
			first.profile(t, token, "access", object{"key": "signer", "lifetime_seconds": int(lifetime / time.Second)})

			measured, err := rotation.Run(t.Context(), rotation.Config{
				Replicas: []rotation.Replica{first.replica(t, token), replicas[1].replica(t, token)},
				Issuers:  1, Verifiers: 2, Pace: 20 * time.Millisecond, Rotations: rotations, Patience: time.Minute,
				Rotate: func(ctx context.Context, number int) (string, error) {
					made, err := replicas[number%len(replicas)].exchange(ctx, t, token, "keys/signer/rotate", nil)
					if err != nil {
						return "", err
					}
					return made.Member(t, "kid"), nil
				},
			})
			require.NoError(t, err)
			t.Log(measured)
			assert.Equal(t, rotations, measured.Rotations)
			assert.GreaterOrEqual(t, measured.Notice, cfg.Keys.SetLifetime)
			assert.Greater(t, measured.Verified, measured.Issued)
			assert.Positive(t, measured.NotModified)

			first.retiredStayFor(t, token, lifetime)
			for _, s := range replicas {
				assert.Len(t, s.keySet(t).Keys, rotations+1)
			}
			c.ahead.Store(int64(lifetime + tolerance))
			for _, s := range replicas {
				assert.Len(t, s.keySet(t).Keys, 1, "the tokens of the others are long gone")
			}
		})
	}
}

// retiredStayFor checks that what has been succeeded stays in the set for longer than its tokens live.
func (s *service) retiredStayFor(t testing.TB, token string, lifetime time.Duration) {
	t.Helper()
	for _, version := range s.get(t, token, "keys/signer/versions").Items(t) {
		if version["status"] == "active" {
			continue
		}
		at := func(member string) time.Time {
			text, _ := version[member].(string)
			parsed, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err, "%s of %v", member, version)
			return parsed
		}
		assert.Greater(t, at("published_until").Sub(at("retire_at")), lifetime, "%v", version)
	}
}

// The same of a key that a KMS keeps and rotates by itself: there a new version is in use at once, and here when every verifier knows it.
func TestRotation_OfAKMSUnderLoadIsSeenByNoVerifier(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const (
				rotations = 2
				lifetime  = 4 * time.Second // of tokens
			)
			k := newKeeper(t)
			k.lend(t, "lent", "ES256", "default")
			cfg, files := prepare(t, engine)
			k.federate(t, &cfg)
			cfg.Keys.SetLifetime, cfg.Keys.Follow = time.Second, time.Second
			first, second := run(t, cfg, files), run(t, cfg, files)
			token := first.Operator(t)
			second.found(t, token)
			first.found(t, token)
			first.post(t, token, "keys/kms", object{"name": "signer", "kms_key": "lent", "token_lifetime_seconds": int(lifetime / time.Second)})
			first.profile(t, token, "access", object{"key": "signer", "lifetime_seconds": int(lifetime / time.Second)})

			measured, err := rotation.Run(t.Context(), rotation.Config{
				Replicas: []rotation.Replica{first.replica(t, token), second.replica(t, token)},
				Issuers:  1, Verifiers: 1, Pace: 40 * time.Millisecond, Rotations: rotations, Patience: time.Minute,
				Rotate: func(_ context.Context, number int) (string, error) {
					k.ask(t, http.MethodPost, "elastic-keys/lent/rotate", nil)
					path := fmt.Sprintf("keys/signer/versions/%d", number+2)
					require.Eventually(t, func() bool {
						return first.call(t, token, http.MethodGet, path, nil).Status == http.StatusOK
					}, 30*time.Second, 20*time.Millisecond)
					return first.get(t, token, path).Member(t, "kid"), nil
				},
			})
			require.NoError(t, err)
			t.Log(measured)
			assert.Equal(t, rotations, measured.Rotations)
			assert.GreaterOrEqual(t, measured.Notice, cfg.Keys.SetLifetime)
			assert.Greater(t, measured.Verified, measured.Issued)
			first.retiredStayFor(t, token, lifetime)
			for _, version := range first.get(t, token, "keys/signer/versions").Items(t) {
				assert.Equal(t, version["version"], version["kms_version"])
			}
		})
	}
}
