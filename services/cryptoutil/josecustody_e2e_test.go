//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// custodyKeys are keys that the KMS keeps for the JWK Authority.
const custodyKeys = 6

// The JWK Authority dies while keys that a KMS keeps are rotated, which happens in the KMS first. Whatever was cut off: each version of the KMS becomes
// one of the key once, in its order; the same request with the same Idempotency-Key happens once; and the key signs.
func TestKill_AmidRotationsOfKeysInTheKMS(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, joseRoundsVariable, defaultJOSERounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			dir, _ := initialize(t)
			keeper := serve(t, dir)
			kept := keeper.landlord(t)
			s := besiegeProduct(t, joseProduct, engine, lendTo(t, keeper, kept))
			i, _ := s.service()
			a := i.landlord(t)
			wards := make([]*ward, custodyKeys)
			for n := range wards {
				wards[n] = newWard(t, a, kept, fmt.Sprintf("lent-%d", n))
			}
			rotated, unanswered := 0, 0
			for range rounds {
				i, _ = s.service()
				a := i.landlord(t)
				var working sync.WaitGroup
				for _, w := range wards {
					working.Go(func() { w.work(t, a) })
				}
				time.Sleep(time.Duration(random.Int64N(int64(lifeMoment)))) //nolint:forbidigo // the moment of the end
				s.kill(t, func(ctx context.Context, db *database.DB) { joseIsWhole(ctx, t, db) })
				working.Wait()
				s.trailIsWhole(t)
				i, _ = s.service()
				a = i.landlord(t)
				for _, w := range wards {
					rotated += w.rotated
					if w.pending {
						unanswered++
					}
					w.compare(t, a, kept)
				}
				require.False(t, t.Failed())
			}
			t.Logf("killed %d times; %d rotations acknowledged, %d without an answer", rounds, rotated, unanswered)
			i, _ = s.service()
			i.happened(t, "key.import", "key.rotate")
			i.stop(t)
			keeper.stop(t)
		})
	}
}

// lendTo makes a credential at the KMS, and returns what the configuration of the JWK Authority has of it.
func lendTo(t *testing.T, keeper *installation, kept *api) (configuration string) {
	t.Helper()
	var made struct{ Token string }
	require.NoError(t, asked(t.Context(), kept, "api-tokens", map[string]any{"name": "jose", "scopes": []string{"kms:read", "kms:sign", "kms:write"}}, &made))
	secret := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(secret, []byte(made.Token), 0o600))
	return fmt.Sprintf(`
keys:
  set_lifetime: 100h
  follow: 1s
federation:
  enabled: true
  kms:
    url: %s
    root_certificate: %s
    timeout: 10s
    auth: {method: api_token, secret: "%s"}
`, keeper.public, keeper.root(), fileURL(secret))
}

// ward is a key that the KMS keeps, and who rotates it.
type ward struct {
	name    string
	serial  int
	pending bool // the rotation of the serial number has no answer
	rotated int
}

// newWard makes a key there and here.
func newWard(t *testing.T, a, kept *api, name string) *ward {
	t.Helper()
	require.NoError(t, asked(t.Context(), kept, "elastic-keys", map[string]any{"name": name, "algorithm": "ES256", "tags": map[string]string{"jose-tenant": "default"}}, nil))
	eventually(t, "the KMS is found", func() bool {
		return asked(t.Context(), a, "keys/kms", map[string]any{"name": name, "kms_key": name}, nil) == nil
	})
	return &ward{name: name}
}

// work rotates until there is no answer.
func (w *ward) work(t *testing.T, a *api) {
	t.Helper()
	w.rotated = 0
	for {
		w.serial++
		w.pending = true
		if answer, err := w.rotate(t, a); err != nil || !assert.Equal(t, http.StatusCreated, answer.status, "%s", answer.body) {
			return
		}
		w.pending = false
		w.rotated++
	}
}

// rotate asks until the KMS is found.
func (w *ward) rotate(t *testing.T, a *api) (answer reply, err error) {
	t.Helper()
	late := time.Now().Add(patience)
	for {
		answer, err = a.do(t.Context(), http.MethodPost, "keys/"+w.name+"/rotate", map[string]any{"immediate": true}, nil,
			"Idempotency-Key", fmt.Sprintf("%s-%d", w.name, w.serial))
		if err != nil || answer.status != http.StatusServiceUnavailable || time.Now().After(late) {
			return answer, err
		}
		time.Sleep(tick) //nolint:forbidigo // as Retry-After asks, in small
	}
}

// compare asks again for what has no answer, and holds the versions here to those of the KMS.
func (w *ward) compare(t *testing.T, a, kept *api) {
	t.Helper()
	if w.pending {
		first, err := w.rotate(t, a)
		require.NoError(t, err)
		assert.Equal(t, http.StatusCreated, first.status, "%s", first.body)
		second, err := w.rotate(t, a)
		require.NoError(t, err)
		assert.Equal(t, string(first.body), string(second.body))
		assert.Equal(t, "true", second.header.Get("Idempotency-Replayed"))
	}
	var there struct {
		PrimaryVersion int64 `json:"primary_version"`
		VersionCount   int64 `json:"version_count"`
	}
	answer, err := kept.do(t.Context(), http.MethodGet, "elastic-keys/"+w.name, nil, &there)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	type version struct {
		Version    int64  `json:"version"`
		KMSVersion int64  `json:"kms_version"`
		Status     string `json:"status"`
	}
	here := listAll[version](t, a, "keys/"+w.name+"/versions")
	slices.Reverse(here)
	require.Len(t, here, int(there.VersionCount), "%s: %+v", w.name, here)
	for n, one := range here {
		assert.Equal(t, []int64{int64(n) + 1, int64(n) + 1}, []int64{one.Version, one.KMSVersion}, "%s: %+v", w.name, here)
	}
	assert.Equal(t, int64(len(here)), there.PrimaryVersion)
	var signed struct {
		Message string `json:"message"`
		Version int64  `json:"version"`
	}
	eventually(t, w.name+" signs", func() bool {
		return asked(t.Context(), a, "jws/sign", map[string]any{"key": w.name, "payload": "aGVsbG8"}, &signed) == nil
	})
	assert.Equal(t, "active", here[signed.Version-1].Status, "version %d of %+v signs", signed.Version, here)
	assert.NoError(t, asked(t.Context(), a, "jws/verify", map[string]any{"message": signed.Message, "key": w.name}, nil))
}
