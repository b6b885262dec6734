package unseal_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// installation is a store with the material that opens it.
type installation struct {
	*barriertest.Store

	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
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

func install() *installation {
	return &installation{&barriertest.Store{}, &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}}
}

// replica is one process of an installation.
type replica struct {
	*unseal.Operator

	barrier *barrier.Barrier
	told    atomic.Int32
}

func (i *installation) replica(t *testing.T, m unseal.Material) *replica {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: i.Store, Now: i.clock.Now})
	require.NoError(t, err)
	o, err := unseal.New(unseal.Config{
		Barrier: b, Mode: m.Mode, Secret: m.Secret, JWK: m.JWK, Remote: m.Remote, Store: i.Store, Now: i.clock.Now, Installation: "here",
	})
	require.NoError(t, err)
	return &replica{Operator: o, barrier: b}
}

// opened is a replica that the material, and shares if it takes any, has opened.
func (i *installation) opened(t *testing.T, m unseal.Material, shares ...string) *replica {
	t.Helper()
	r := i.replica(t, m)
	require.NoError(t, r.Start(t.Context()))
	for _, share := range shares {
		_, err := r.SubmitShare(t.Context(), share)
		require.NoError(t, err)
	}
	require.False(t, r.barrier.Sealed())
	return r
}

func (i *installation) opens(t *testing.T, m unseal.Material, shares ...string) bool {
	t.Helper()
	r := i.replica(t, m)
	err := r.Start(t.Context())
	for _, share := range shares {
		if err == nil {
			_, err = r.SubmitShare(t.Context(), share)
		}
	}
	if r.barrier.Sealed() {
		require.Error(t, err)
	}
	return !r.barrier.Sealed()
}

var shamir = unseal.Material{Mode: unseal.Shamir}

func derive(t *testing.T) unseal.Material {
	t.Helper()
	return unseal.Material{Mode: unseal.Derive, Secret: secret(t)}
}

func jwkOf(t *testing.T, material any, algorithm string) unseal.Material {
	t.Helper()
	key, err := jwk.FromMaterial(material, jwk.Attributes{Algorithm: algorithm})
	require.NoError(t, err)
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	return unseal.Material{Mode: unseal.JWK, JWK: text}
}

func ecKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// remote is another installation.
type remote struct {
	key   []byte
	needs []string
	down  error
}

func (r *remote) Name() string { return "https://kms/unseal" }

func (r *remote) Wrap(_ context.Context, key []byte, context string) (string, error) {
	return string(append(xor(key, r.key), context...)), r.down
}

func (r *remote) Unwrap(_ context.Context, wrapped, context string) ([]byte, error) {
	if wrapped[32:] != context {
		return nil, errors.New("another context")
	}
	return xor([]byte(wrapped[:32]), r.key), r.down
}

func (r *remote) Dependencies(context.Context) ([]string, error) { return r.needs, nil }

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}
