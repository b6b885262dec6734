//go:build e2e

package cryptoutil_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// turnsBefore bounds how many rotations are acknowledged before the service is killed, and turnTakes at which moment of the next one.
	turnsBefore = 5
	turnTakes   = 15 * time.Millisecond
)

// The keys of the barrier turn whole or not at all, whenever the service dies, and what they protect stays readable.
func TestKill_BarrierKeysTurnWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		for n, level := range []string{"root", "intermediate", "content"} {
			t.Run(engine+"/"+level, func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, uint64(10*len(engine)+n)))
				dir := prepared(t, engine)
				i := serve(t, dir)
				v := newVault(t, i)
				tenant := "default"
				if level == "root" {
					tenant = ""
				}
				acknowledged := newest(t, i, level)
				for round := range rounds {
					after, moment := int64(random.IntN(turnsBefore)), time.Duration(random.Int64N(int64(turnTakes)))
					done := i.killAmid(t, after, moment, map[string]string{"level": level, "tenant": tenant})
					i = serve(t, dir)
					found := newest(t, i, level)
					assert.GreaterOrEqual(t, found, acknowledged+done, "round %d: an acknowledged key is lost", round)
					assert.LessOrEqual(t, found, acknowledged+done+1, "round %d: keys that nobody asked for", round)
					t.Logf("round %d: killed %s after turn %d; the next one is there: %t; ready again after %s", round, moment.Round(time.Microsecond), done,
						found > acknowledged+done, i.ready.Round(time.Millisecond))
					acknowledged = found
					v.opens(t, i)
					v.add(t, i, fmt.Sprintf("after-%d", round))
				}
				i.stop(t)
			})
		}
	}
}

// prepared makes a data directory for kms-server on an engine.
func prepared(t *testing.T, engine string, args ...string) (dir string) {
	t.Helper()
	dir, _ = preparedOn(t, engine, args...)
	return dir
}

// preparedOn is prepared for a test that looks into the database.
func preparedOn(t *testing.T, engine string, args ...string) (dir string, data database.Config) {
	t.Helper()
	return kmsProduct.prepared(t, engine, args...)
}

// inDatabase runs statements of every tenant on the database of a service.
func inDatabase(t *testing.T, data database.Config, do func(ctx context.Context, db *database.DB) error) {
	t.Helper()
	db := dbtest.Open(t, data)
	require.NoError(t, do(database.WithTenant(t.Context(), database.AllTenants), db))
	require.NoError(t, db.Close())
}

// endLeases has what a dead service held be free now; otherwise its successor waits some seconds.
func endLeases(t *testing.T, data database.Config) {
	t.Helper()
	inDatabase(t, data, func(ctx context.Context, db *database.DB) error {
		_, err := db.Exec(ctx, "UPDATE leases SET expires_at = 0")
		return err
	})
}

// administration is a client of the admin listener.
func (i *installation) administration(t testing.TB) *api {
	t.Helper()
	token, err := os.ReadFile(i.file("admin.token"))
	require.NoError(t, err)
	a := i.api(t)
	a.base, a.token = i.admin+"/admin/v1/", strings.TrimSpace(string(token))
	return a
}

// orders asks something of the admin listener, which succeeds.
func (i *installation) orders(t testing.TB, method, path string, in, out any) {
	t.Helper()
	answer, err := i.administration(t).do(t.Context(), method, path, in, out)
	require.NoError(t, err, path)
	require.Equal(t, http.StatusOK, answer.status, "%s: %s", path, answer.body)
}

// killAmid orders rotations one after another, and kills the service a moment after so many were acknowledged. It returns how many were.
func (i *installation) killAmid(t *testing.T, after int64, moment time.Duration, order map[string]string) (done int64) {
	t.Helper()
	if order["tenant"] == "" {
		delete(order, "tenant")
	}
	a := i.administration(t)
	var acknowledged atomic.Int64
	reached, ended := make(chan struct{}), make(chan struct{})
	if after == 0 {
		close(reached)
	}
	var refusal atomic.Value
	go func() {
		defer close(ended)
		for {
			answer, err := a.do(context.WithoutCancel(t.Context()), http.MethodPost, "barrier/rotate", order, nil)
			if err != nil {
				return
			}
			if answer.status != http.StatusOK {
				refusal.Store(string(answer.body))
				return
			}
			if acknowledged.Add(1) == after {
				close(reached)
			}
		}
	}()
	select {
	case <-reached:
	case <-ended:
	}
	i.killAfter(moment)
	<-ended
	require.Nil(t, refusal.Load())
	return acknowledged.Load()
}

// killAfter kills the service at a moment from now, if it lives that long.
func (i *installation) killAfter(moment time.Duration) {
	select {
	case <-i.ended:
	case <-time.After(moment):
	}
	i.kill()
}

// newest is the version of the barrier's newest key of a level. The versions must be whole: none missing, none twice.
func newest(t *testing.T, i *installation, level string) int64 {
	t.Helper()
	var report struct {
		Sealed bool `json:"sealed"`
		Keys   []struct {
			Level   string `json:"level"`
			Version int64  `json:"version"`
		} `json:"keys"`
	}
	i.orders(t, http.MethodGet, "barrier?tenant=default", nil, &report)
	require.False(t, report.Sealed)
	var versions []int64
	for _, key := range report.Keys {
		if key.Level == level {
			versions = append(versions, key.Version)
		}
	}
	slices.Sort(versions)
	require.NotEmpty(t, versions, "%+v", report)
	for n, version := range versions {
		require.Equal(t, versions[0]+int64(n), version, "%s keys %v", level, versions)
	}
	return versions[len(versions)-1]
}

// vault is what was encrypted and must stay readable.
type vault struct {
	keys     []string
	messages []message // each under keys of the same place
}

func newVault(t *testing.T, i *installation) *vault {
	t.Helper()
	v := &vault{}
	v.add(t, i, "first")
	v.add(t, i, "second")
	return v
}

// add makes a key and a message under it.
func (v *vault) add(t *testing.T, i *installation, name string) {
	t.Helper()
	a := i.api(t)
	answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys", map[string]string{"name": name, "algorithm": "A256GCM/A256KW"}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
	v.encrypt(t, a, name)
}

func (v *vault) encrypt(t *testing.T, a *api, name string) {
	t.Helper()
	m := message{plaintext: base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%s %d", name, len(v.messages))))}
	var made struct {
		Ciphertext string `json:"ciphertext"`
		Version    int64  `json:"version"`
	}
	answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys/"+name+"/encrypt", map[string]string{"plaintext": m.plaintext}, &made)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	m.ciphertext, m.version = made.Ciphertext, made.Version
	v.keys, v.messages = append(v.keys, name), append(v.messages, m)
}

// opens decrypts everything.
func (v *vault) opens(t *testing.T, i *installation) {
	t.Helper()
	a := i.api(t)
	for n, m := range v.messages {
		var opened struct {
			Plaintext string `json:"plaintext"`
			Version   int64  `json:"version"`
		}
		answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys/"+v.keys[n]+"/decrypt", map[string]string{"ciphertext": m.ciphertext}, &opened)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.status, "%s: %s", v.keys[n], answer.body)
		require.Equal(t, m.plaintext, opened.Plaintext)
		require.Equal(t, m.version, opened.Version)
	}
}
