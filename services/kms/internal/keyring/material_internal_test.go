package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// sealing is a barrier that is sealed just after it has opened a value.
type sealing struct {
	opened []byte
	seal   func()
}

func (s *sealing) Tenant(context.Context, string) (*barrier.Wrapper, error) {
	return nil, barrier.ErrSealed
}

func (s *sealing) Unwrap(context.Context, barrier.Binding, string) ([]byte, error) {
	s.seal()
	return s.opened, nil
}

func (s *sealing) DeriveKey(string, int) ([]byte, error) { return nil, barrier.ErrSealed }

func (s *sealing) Sealed() bool { return false }

func TestMaterial_AKeyOpenedWhileSealingDoesNotStayInMemory(t *testing.T) {
	t.Parallel()
	private, err := newKey(t).MarshalPrivate()
	require.NoError(t, err)
	ring := &Keyring{cache: newMaterialCache(10, time.Hour, time.Now)}
	ring.barrier = &sealing{opened: private, seal: ring.Forget}
	of := permit{version: MaterialKey{Tenant: "a", ID: "1", Version: 1, WrappedKey: "wrapped"}}

	held, err := ring.material(t.Context(), of)
	require.NoError(t, err)
	assert.False(t, zeroed(t, held.key), "zeroed under its user")
	assert.Nil(t, ring.cache.get(pinned(of.key, of.version)), "it went into the cache that sealing had emptied")
	held.release()
	assert.True(t, zeroed(t, held.key))
}
