//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/rotation"
)

const (
	// rotationsVariable is how often the key is rotated on each engine.
	rotationsVariable = "CRYPTOUTIL_E2E_ROTATIONS"
	defaultRotations  = 3
	// rotationRate is how many tokens each of the two replicas is asked for in a second.
	rotationRateVariable = "CRYPTOUTIL_E2E_ROTATION_RATE"
	defaultRotationRate  = 100
	rotationIssuers      = 2                // for each replica
	rotationSet          = 2 * time.Second  // how long a verifier may keep the set
	rotationLifetime     = 10 * time.Second // of tokens: longer than the time between two rotations
)

// Two processes of the real program sign all the time while their key is rotated again and again. No verifier that keeps the set for its time, and
// none that asks the other process, ever meets a token that it cannot verify.
func TestRotation_UnderLoadOfTheRealProgramIsSeenByNoVerifier(t *testing.T) {
	t.Parallel()
	rotations, rate := setting(t, rotationsVariable, defaultRotations), setting(t, rotationRateVariable, defaultRotationRate)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir, _ := joseProduct.prepared(t, engine)
			joseProduct.configure(t, dir, fmt.Sprintf("\nkeys:\n  set_lifetime: %s\n", rotationSet))
			both := []*installation{joseProduct.serve(t, dir), joseProduct.serve(t, dir)}
			manager := both[0].api(t)
			require.NoError(t, asked(t.Context(), manager, "keys", map[string]any{
				"name": "signer", "algorithm": "ES256", "token_lifetime_seconds": rotationLifetime / time.Second,
			}, nil))
			require.NoError(t, asked(t.Context(), manager, "profiles", map[string]any{
				"name": "access", "key": "signer", "issuer": "https://issuer.example", "audience": []string{"api"},
				"lifetime_seconds": rotationLifetime / time.Second,
			}, nil))
			cfg := rotation.Config{
				Issuers: rotationIssuers, Verifiers: 2, Pace: rotationIssuers * time.Second / time.Duration(rate), Rotations: int(rotations), Patience: patience,
				Rotate: func(ctx context.Context, number int) (string, error) {
					var made struct{ Kid string }
					err := asked(ctx, both[number%len(both)].api(t), "keys/signer/rotate", nil, &made)
					return made.Kid, err
				},
			}
			for _, i := range both {
				cfg.Replicas = append(cfg.Replicas, i.replica(t))
			}
			measured, err := rotation.Run(t.Context(), cfg)
			require.NoError(t, err)
			t.Log(measured)
			assert.EqualValues(t, rotations, measured.Rotations)
			assert.GreaterOrEqual(t, measured.Notice, rotationSet)
			assert.Greater(t, measured.Verified, measured.Issued)
			for _, i := range both {
				i.stop(t)
			}
		})
	}
}

// asked is what must succeed.
func asked(ctx context.Context, a *api, path string, in, out any) error {
	answer, err := a.do(ctx, http.MethodPost, path, in, out)
	if err == nil && answer.status/100 != 2 {
		err = fmt.Errorf("%s: %d %s", path, answer.status, answer.body)
	}
	return err
}

// replica is the service as issuers and verifiers have it.
func (i *installation) replica(t testing.TB) rotation.Replica {
	t.Helper()
	a := i.api(t)
	return rotation.Replica{
		Client: a.client, KeySet: i.public + "/.well-known/jwks.json",
		Issue: func(ctx context.Context) (string, error) {
			var made struct{ Token string }
			err := asked(ctx, a, "jwt/issue", map[string]any{"profile": "access"}, &made)
			return made.Token, err
		},
		Verify: func(ctx context.Context, token string) error {
			return asked(ctx, a, "jwt/verify", map[string]any{"profile": "access", "token": token}, nil)
		},
	}
}
