package jose_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

// clock is the time as a test has it pass.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// verifier is a client elsewhere that keeps the public key set for as long as it may.
type verifier struct {
	s     *service // the replica that it asks
	clock *clock

	set   *jwk.Set
	until time.Time
}

var maxAge = regexp.MustCompile(`max-age=(\d+)`)

// refresh fetches the set if the one that is kept is too old.
func (v *verifier) refresh(t testing.TB) error {
	t.Helper()
	now := v.clock.Now()
	if v.set != nil && now.Before(v.until) {
		return nil
	}
	got, err := servicetest.Exchange(v.s.HTTP, v.s.Request(t, "", http.MethodGet, "/.well-known/jwks.json", nil))
	if err != nil {
		return err
	}
	found := maxAge.FindStringSubmatch(got.Header.Get("Cache-Control"))
	if got.Status != http.StatusOK || found == nil {
		return fmt.Errorf("key set: %d %s", got.Status, got.Header)
	}
	seconds, err := strconv.Atoi(found[1])
	if err != nil {
		return err
	}
	v.until = now.Add(time.Duration(seconds) * time.Second)
	v.set, err = jwk.ParseSet(got.Body)
	return err
}

// verify checks a token by what is kept.
func (v *verifier) verify(token string) error {
	header, err := jws.ParseHeader(token)
	if err != nil {
		return err
	}
	key, ok := v.set.Find(header.KeyID)
	if !ok {
		return fmt.Errorf("the set has no key %s", header.KeyID)
	}
	_, _, err = jws.Verify(key, token, jws.Expect{})
	return err
}

// issued is a token and when it ends.
type issued struct {
	token string
	ends  time.Time
}

// issue takes a token from a replica, and has the replica verify it.
func (s *service) issue(t testing.TB, token string, now time.Time, lifetime time.Duration) (issued, error) {
	t.Helper()
	got, err := servicetest.Exchange(s.HTTP, s.Request(t, token, http.MethodPost, "jwt/issue", object{"profile": "access"}))
	if err == nil && got.Status != http.StatusOK {
		err = fmt.Errorf("issue: %d %s", got.Status, got.Body)
	}
	if err != nil {
		return issued{}, err
	}
	return issued{answer{got}.Member(t, "token"), now.Add(lifetime)}, nil
}

// Two replicas sign while their key is rotated ten times. Verifiers elsewhere keep the public key set for as long as they are told they may, and
// never meet a token that they cannot verify; nor does a replica, or a verifier that asks the other one.
func TestRotation_NeverFailsAVerifierThatKeepsTheSetForItsTime(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const (
				lifetime  = 5 * time.Minute // of tokens
				step      = 25 * time.Second
				rotations = 10
			)
			c := &clock{now: time.Now()}
			cfg, files := prepare(t, engine)
			replicas := make([]*service, 2)
			for i := range replicas {
				replicas[i] = &service{Running: servicetest.Run(t, jose.Timed(c.Now), cfg, files, &servicetest.Log{}), logs: &servicetest.Log{}}
			}
			token := replicas[0].Operator(t)
			replicas[0].post(t, token, "keys", object{"name": "signer", "algorithm": "ES256", "token_lifetime_seconds": int(lifetime / time.Second)})
			replicas[0].profile(t, token, "access", object{"key": "signer", "lifetime_seconds": int(lifetime / time.Second)})
			shown := func(s *service, kid string) bool {
				return strings.Contains(string(s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Body), kid)
			}
			knows := func(kid string) {
				require.Eventually(t, func() bool { return shown(replicas[0], kid) && shown(replicas[1], kid) }, 5*time.Second, 5*time.Millisecond)
			}
			knows(replicas[0].get(t, token, "keys/signer/public-key").Member(t, "kid"))
			require.Eventually(t, func() bool {
				return replicas[1].call(t, token, http.MethodPost, "jwt/issue", object{"profile": "access"}).Status == http.StatusOK
			}, 5*time.Second, 5*time.Millisecond)

			verifiers := make([]*verifier, 4)
			for i := range verifiers {
				verifiers[i] = &verifier{s: replicas[i%2], clock: c}
			}
			var live []issued
			signers := map[string]bool{}
			round := func() {
				made := make([]issued, 2*len(replicas))
				failures := make([]error, len(made)+len(verifiers))
				var group sync.WaitGroup
				for i := range made {
					group.Go(func() { made[i], failures[i] = replicas[i%2].issue(t, token, c.Now(), lifetime) })
				}
				group.Wait()
				live = append(slices.DeleteFunc(live, func(one issued) bool { return !c.Now().Before(one.ends) }), made...)
				for i, v := range verifiers {
					group.Go(func() {
						errs := []error{v.refresh(t)}
						for _, one := range live {
							if v.set != nil {
								errs = append(errs, v.verify(one.token))
							}
						}
						failures[len(made)+i] = errors.Join(errs...)
					})
				}
				group.Wait()
				require.NoError(t, errors.Join(failures...))
				for i, one := range made {
					replicas[(i+1)%2].post(t, token, "jwt/verify", object{"profile": "access", "token": one.token})
					header, err := jws.ParseHeader(one.token)
					require.NoError(t, err)
					signers[header.KeyID] = true
				}
			}
			for n := range rotations {
				next := replicas[n%2].post(t, token, "keys/signer/rotate", nil)
				kid := next.Member(t, "kid")
				knows(kid)
				// Verifiers fetch at different times.
				verifiers[n%len(verifiers)].until = time.Time{}
				for range 15 {
					round()
					c.pass(step)
				}
				assert.True(t, signers[kid], "the version after rotation %d signs", n+1)
			}
			assert.Len(t, signers, rotations+1)
			set, err := jwk.ParseSet(replicas[0].call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Body)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(set.Keys), 5, "what no living token was signed with leaves the set")
		})
	}
}
