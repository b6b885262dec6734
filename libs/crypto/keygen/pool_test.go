package keygen_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func TestPool_FillsOnlyAfterReadyAndFirstUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		es256, ed25519 := parseSpec(t, "ES256", 0), parseSpec(t, "Ed25519", 0)
		var made atomic.Int32
		p := newPool(t, keygen.Config{Workers: 2, Depths: map[string]int{"P-256": 3}, Generate: counted(&made)})
		defer p.Close()
		take(t, p, es256)
		synctest.Wait()
		assert.Equal(t, int32(1), made.Load(), "not ready")
		assert.Equal(t, map[string]int{"P-256": 0}, p.Depths())

		p.Ready()
		synctest.Wait()
		assert.Equal(t, map[string]int{"P-256": 3}, p.Depths(), "bounded, and the kind in use alone")
		assert.Equal(t, int32(4), made.Load())

		take(t, p, es256)
		synctest.Wait()
		assert.Equal(t, int32(5), made.Load(), "from the stock, which is filled up")
		take(t, p, ed25519)
		synctest.Wait()
		assert.Equal(t, map[string]int{"P-256": 3, "Ed25519": 32}, p.Depths())
	})
}

func TestPool_SpecsOfOneKindShareAStock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int32
		p := newPool(t, keygen.Config{Depths: map[string]int{"P-256": 2}, Generate: counted(&made)})
		defer p.Close()
		p.Ready()
		take(t, p, parseSpec(t, "ES256", 0))
		synctest.Wait()
		require.Equal(t, int32(3), made.Load())
		agreement := parseSpec(t, "A256GCM/ECDH-ES", 0)
		key := take(t, p, agreement)
		assert.Equal(t, jwk.Attributes{Algorithm: "ECDH-ES", Use: "enc"}, key.Attributes)
		works(t, agreement, key)
	})
}

func TestPool_GivesEachKeyOutOnce(t *testing.T) {
	t.Parallel()
	p := newPool(t, keygen.Config{Workers: 2, Depths: map[string]int{"Ed25519": 4}})
	defer p.Close()
	p.Ready()
	spec := parseSpec(t, "Ed25519", 0)
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				key, err := p.Take(t.Context(), spec)
				if !assert.NoError(t, err) {
					return
				}
				text, err := key.MarshalPrivate()
				assert.NoError(t, err)
				mu.Lock()
				assert.False(t, seen[string(text)])
				seen[string(text)] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, seen, 400)
}

func TestPool_KeepsKeysForEncapsulation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, keygen.Config{})
		defer p.Close()
		p.Ready()
		small, large := parseSpec(t, "ML-KEM-768", 0), parseSpec(t, "ML-KEM-1024", 0)
		take(t, p, small)
		take(t, p, large)
		synctest.Wait()
		assert.Equal(t, map[string]int{"ML-KEM-768": 32, "ML-KEM-1024": 32}, p.Depths())
		for _, spec := range []alg.Spec{small, large} {
			key, err := p.Take(t.Context(), spec)
			require.NoError(t, err)
			assert.Equal(t, spec.Algorithm, key.Algorithm)
			assert.Equal(t, spec.Algorithm, key.ParameterSet())
		}
	})
}

func TestPool_SymmetricKeysAreNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, keygen.Config{})
		defer p.Close()
		p.Ready()
		take(t, p, parseSpec(t, "A256GCM/A256KW", 0))
		synctest.Wait()
		assert.Equal(t, map[string]int{"oct-256": 0}, p.Depths())
	})
}

func TestPool_CloseDoesNotWaitForAGenerationInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const generation = 10 * time.Second
		rsa4096 := parseSpec(t, "RS256", 4096)
		made, err := keygen.Generate(parseSpec(t, "Ed25519", 0))
		require.NoError(t, err)
		var calls atomic.Int32
		p := newPool(t, keygen.Config{Workers: 3, Generate: func(alg.Spec) (*jwk.Key, error) {
			if calls.Add(1) > 1 {
				<-time.After(generation)
			}
			return made, nil
		}})
		p.Ready()
		take(t, p, rsa4096)
		synctest.Wait() // Three workers are in the middle of a key.
		require.Equal(t, int32(4), calls.Load())

		start := time.Now()
		p.Close()
		assert.LessOrEqual(t, time.Since(start), 100*time.Millisecond)
		<-p.Ended()
		assert.Equal(t, generation, time.Since(start))
		assert.Equal(t, map[string]int{"RSA-4096": 0}, p.Depths(), "late keys are dropped")
		assert.Equal(t, int32(4), calls.Load(), "nothing new was begun")
	})
}

func TestPool_CloseReturnsAtOnceWhenIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, ready := range []bool{false, true} {
			p := newPool(t, keygen.Config{Workers: 4})
			if ready {
				p.Ready()
			}
			synctest.Wait()
			start := time.Now()
			p.Close()
			p.Close()
			assert.Zero(t, time.Since(start))
			<-p.Ended()
			take(t, p, parseSpec(t, "ES256", 0))
		}
	})
}

func TestPool_AFailingGeneratorIsReportedAndNotRepeatedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no entropy")
		var calls atomic.Int32
		p := newPool(t, keygen.Config{Generate: func(alg.Spec) (*jwk.Key, error) {
			calls.Add(1)
			return nil, broken
		}})
		defer p.Close()
		p.Ready()
		_, err := p.Take(t.Context(), parseSpec(t, "ES256", 0))
		require.ErrorIs(t, err, broken)
		synctest.Wait()
		assert.Equal(t, int32(2), calls.Load())
	})
}

func TestPool_TakeLooksAtItsContext(t *testing.T) {
	t.Parallel()
	p := newPool(t, keygen.Config{})
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Take(ctx, parseSpec(t, "ES256", 0))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNewPool_ChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	_, err := keygen.NewPool(keygen.Config{Workers: -1})
	require.Error(t, err)
	_, err = keygen.NewPool(keygen.Config{Depths: map[string]int{"P-256": -1}})
	require.Error(t, err)
}

func newPool(t *testing.T, config keygen.Config) *keygen.Pool {
	t.Helper()
	p, err := keygen.NewPool(config)
	require.NoError(t, err)
	return p
}

func take(t *testing.T, p *keygen.Pool, spec alg.Spec) *jwk.Key {
	t.Helper()
	key, err := p.Take(t.Context(), spec)
	require.NoError(t, err)
	require.NotNil(t, key)
	return key
}

func counted(calls *atomic.Int32) func(alg.Spec) (*jwk.Key, error) {
	return func(spec alg.Spec) (*jwk.Key, error) {
		calls.Add(1)
		return keygen.Generate(spec)
	}
}
