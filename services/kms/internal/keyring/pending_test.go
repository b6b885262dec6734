package keyring_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// slowly generates keys when a test lets it, or fails.
type slowly struct {
	generate

	mu   sync.Mutex
	held chan struct{} // guarded by mu: not nil while nothing is generated
	err  error         // guarded by mu
	took int           // guarded by mu
}

// Take implements keyring.Generator. Like the real one it cannot be interrupted.
func (g *slowly) Take(ctx context.Context, spec alg.Spec) (*jwk.Key, error) {
	g.mu.Lock()
	held, err := g.held, g.err
	g.took++
	g.mu.Unlock()
	if held != nil {
		<-held
	}
	if err != nil {
		return nil, err
	}
	return g.generate.Take(ctx, spec)
}

func (g *slowly) set(held chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.err = held, err
}

// busy is what the pool says when it has no time.
type busy struct{ error }

func (busy) ErrorCode() string { return "overloaded" }

// works is an installation of some replicas that generate keys as a test says.
func works(t *testing.T, test func(t *testing.T, h *house, g *slowly)) {
	t.Helper()
	eachHouseBy(t, func(t *testing.T) keyring.Generator { return &slowly{generate: newGenerator(t)} }, func(t *testing.T, h *house) {
		test(t, h, h.generator.(*slowly))
	})
}

// wanted asks for a key that takes long.
func (h *house) wanted(t *testing.T, name string) keyring.ElasticKey {
	t.Helper()
	key, err := h.Create(t.Context(), admin("a"), keyring.NewKey{Name: name, Algorithm: "PS256", KeySize: 4096, Async: true, Rotation: keyring.Rotation{Every: 10 * time.Hour}})
	require.NoError(t, err)
	return key
}

// generating runs a replica's generation until end is called, which waits for it.
func (h *house) generating(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.GenerateAwaited(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (h *house) status(t *testing.T, ref keyring.Ref) keyring.ElasticStatus {
	t.Helper()
	key, err := h.Get(t.Context(), admin("a"), ref)
	require.NoError(t, err)
	return key.Status
}

func (h *house) sign(t *testing.T, ref keyring.Ref) error {
	t.Helper()
	_, err := h.Sign(t.Context(), admin("a"), ref, keyring.SignRequest{Payload: []byte("x"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
	return err
}

func TestCreate_AnswersBeforeAKeyThatTakesLongIsGenerated(t *testing.T) {
	t.Parallel()
	works(t, func(t *testing.T, h *house, g *slowly) {
		held := make(chan struct{})
		g.set(held, nil)
		end := h.generating(t)
		defer end()
		key := h.wanted(t, "slow")
		assert.Equal(t, keyring.ElasticPendingGenerate, key.Status)
		assert.Zero(t, key.PrimaryVersion)
		assert.True(t, key.NextRotationAt.IsZero())
		for _, refused := range []func() error{
			func() error { return h.sign(t, "slow") },
			func() error { _, err := h.Rotate(t.Context(), admin("a"), "slow"); return err },
			func() error { _, err := h.Disable(t.Context(), admin("a"), "slow"); return err },
			func() error { _, err := h.RetryGeneration(t.Context(), admin("a"), "slow"); return err },
			func() error { _, err := h.ScheduleDeletion(t.Context(), admin("a"), "slow", 0); return err },
		} {
			err := refused()
			require.Equal(t, "invalid_state", codeOf(t, err))
			assert.ErrorContains(t, err, "pending_generate")
		}
		assert.ErrorContains(t, h.sign(t, "slow"), "active", "both states are named")
		close(held)
		require.Eventually(t, func() bool { return h.status(t, "slow") == keyring.ElasticActive }, 10*time.Second, time.Millisecond)
		require.NoError(t, h.sign(t, "slow"))
		made, err := h.Get(t.Context(), admin("a"), "slow")
		require.NoError(t, err)
		assert.EqualValues(t, 1, made.PrimaryVersion)
		assert.Equal(t, morning.Add(10*time.Hour), made.NextRotationAt, "its age counts from when it is there")
		assert.Equal(t, 1, h.count("key.generated"))

		// What does not take long is not put off, whatever the caller prefers.
		for _, ask := range []keyring.NewKey{{Name: "small", Algorithm: "RS256", KeySize: 2048, Async: true}, {Name: "ec", Algorithm: "ES256", Async: true}} {
			key, err := h.Create(t.Context(), admin("a"), ask)
			require.NoError(t, err)
			assert.Equal(t, keyring.ElasticActive, key.Status)
		}
	})
}

func TestGenerate_AFailureCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	works(t, func(t *testing.T, h *house, g *slowly) {
		g.set(nil, errors.New("no entropy"))
		end := h.generating(t)
		defer end()
		h.wanted(t, "slow")
		require.Eventually(t, func() bool { return h.status(t, "slow") == keyring.ElasticGenerateFailed }, 10*time.Second, time.Millisecond)
		assert.Equal(t, 1, h.count("key.not-generated"))
		err := h.sign(t, "slow")
		require.Equal(t, "invalid_state", codeOf(t, err))
		assert.ErrorContains(t, err, "generate_failed")
		g.set(nil, nil)
		key, err := h.RetryGeneration(t.Context(), admin("a"), "slow")
		require.NoError(t, err)
		assert.Equal(t, keyring.ElasticPendingGenerate, key.Status)
		require.Eventually(t, func() bool { return h.status(t, "slow") == keyring.ElasticActive }, 10*time.Second, time.Millisecond)
		_, err = h.RetryGeneration(t.Context(), admin("a"), "slow")
		assert.Equal(t, "invalid_state", codeOf(t, err))

		// A failed key can be given up.
		g.set(nil, errors.New("no entropy"))
		h.wanted(t, "never")
		require.Eventually(t, func() bool { return h.status(t, "never") == keyring.ElasticGenerateFailed }, 10*time.Second, time.Millisecond)
		_, err = h.ScheduleDeletion(t.Context(), admin("a"), "never", 0)
		require.NoError(t, err)
	})
}

// A process that ends before the key is there leaves it to the others, and so does one that has no time.
func TestGenerate_IsFinishedByAnotherReplica(t *testing.T) {
	t.Parallel()
	works(t, func(t *testing.T, h *house, g *slowly) {
		h.wanted(t, "left") // nobody runs GenerateAwaited: the process is gone
		sweep := func() { require.NoError(t, h.GenerateDue(t.Context(), tenantsAB)) }
		sweep()
		assert.Equal(t, keyring.ElasticPendingGenerate, h.status(t, "left"), "its process may still be at it")
		h.pass(time.Minute)
		g.set(nil, busy{errors.New("busy")})
		sweep()
		assert.Equal(t, keyring.ElasticPendingGenerate, h.status(t, "left"), "to have no time is no failure")
		g.set(nil, context.Canceled)
		sweep()
		assert.Equal(t, keyring.ElasticPendingGenerate, h.status(t, "left"), "neither is to end")
		g.set(nil, nil)
		h.barrier.Seal()
		sweep()
		require.NoError(t, h.barrier.Unseal(t.Context(), make([]byte, 32), "test"))
		assert.Equal(t, keyring.ElasticPendingGenerate, h.status(t, "left"))
		sweep()
		assert.Equal(t, keyring.ElasticActive, h.status(t, "left"))
		require.NoError(t, h.sign(t, "left"))
	})
}

// However many replicas are at it, the key gets one version.
func TestGenerate_ManyMakeOneVersion(t *testing.T) {
	t.Parallel()
	works(t, func(t *testing.T, h *house, g *slowly) {
		held := make(chan struct{})
		g.set(held, nil)
		h.wanted(t, "slow")
		h.pass(time.Minute)
		end := h.generating(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { assert.NoError(t, h.GenerateDue(t.Context(), tenantsAB)) })
		}
		require.Eventually(t, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.took == 5
		}, 10*time.Second, time.Millisecond)
		close(held)
		group.Wait()
		end()
		_, versions, err := h.Versions(t.Context(), admin("a"), "slow", 0, 10)
		require.NoError(t, err)
		require.Len(t, versions, 1)
		assert.EqualValues(t, 1, versions[0].Version)
		assert.Equal(t, 1, h.count("key.generated"))
	})
}

// A request is committed after it was handled: its key is found all the same.
func TestGenerate_WaitsForTheCommit(t *testing.T) {
	t.Parallel()
	works(t, func(t *testing.T, h *house, _ *slowly) {
		end := h.generating(t)
		defer end()
		ctx, unit := h.db.WithUnit(database.WithTenant(t.Context(), "a"))
		_, err := h.Create(ctx, admin("a"), keyring.NewKey{Name: "slow", Algorithm: "RS256", KeySize: 3072, Async: true})
		require.NoError(t, err)
		require.Never(t, func() bool {
			_, err := h.Get(t.Context(), admin("a"), "slow")
			return err == nil
		}, 100*time.Millisecond, 10*time.Millisecond)
		require.NoError(t, unit.Commit(ctx, func(context.Context) error { return nil }))
		require.Eventually(t, func() bool { return h.status(t, "slow") == keyring.ElasticActive }, 10*time.Second, time.Millisecond)
	})
}
