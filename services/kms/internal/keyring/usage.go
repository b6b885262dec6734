package keyring

import (
	"context"
	"fmt"
	"sync"
)

// Limits for keys that encrypt under random 96-bit nonces directly (`dir` with GCM, A*GCMKW). NIST SP 800-38D section 8.3 bounds such a
// key to 2^32 messages; the key rotates at half of that.
const (
	maxDirectUses = 1 << 31
	// useBlock is how many uses a process reserves with one statement. A crash loses what is left of a block, so that the stored count is
	// over, never under.
	useBlock = 1 << 12
)

// useCounter hands out uses of directly used keys from blocks reserved in the database.
type useCounter struct {
	store UseStore

	mu     sync.Mutex
	blocks map[slot]*useBlockLeft
}

// useBlockLeft is what one process may still use of one key.
type useBlockLeft struct {
	mu   sync.Mutex
	left int64
}

func newUseCounter(store UseStore) *useCounter {
	return &useCounter{store: store, blocks: map[slot]*useBlockLeft{}}
}

// take counts one use. It returns false when the key has had all the uses it may have.
func (u *useCounter) take(ctx context.Context, version MaterialKey) (bool, error) {
	block := u.block(slotOf(version))
	block.mu.Lock()
	defer block.mu.Unlock()
	if block.left > 0 {
		block.left--
		return true, nil
	}
	total, err := u.store.ReserveUses(ctx, version, useBlock)
	if err != nil {
		return false, fmt.Errorf("count uses of version %d: %w", version.Version, err)
	}
	if total > maxDirectUses {
		return false, nil
	}
	block.left = useBlock - 1
	return true, nil
}

func (u *useCounter) block(s slot) *useBlockLeft {
	u.mu.Lock()
	defer u.mu.Unlock()
	block, ok := u.blocks[s]
	if !ok {
		block = &useBlockLeft{}
		u.blocks[s] = block
	}
	return block
}
