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
	// useBlock is how many uses a process reserves with one statement at most, and useShare which part of what is left of the limit. A crash
	// loses what is left of a block, so that the stored count is over, never under: by a sixteenth of what was left, which near a limit is one.
	useBlock = 1 << 12
	useShare = 16
)

// usesLimit is how often a key that is used directly may be: as often as its owner says, within what the algorithm allows.
func usesLimit(key ElasticKey) int64 {
	if key.Rotation.Uses > 0 {
		return min(key.Rotation.Uses, maxDirectUses)
	}
	return maxDirectUses
}

// useCounter hands out uses of directly used keys from blocks reserved in the database.
type useCounter struct {
	store UseStore

	mu     sync.Mutex
	blocks map[slot]*useBlockLeft
}

// useBlockLeft is what one process may still use of one key.
type useBlockLeft struct {
	mu    sync.Mutex
	left  int64 // guarded by mu
	total int64 // guarded by mu: the stored count as it was last seen
	limit int64 // guarded by mu: that left was reserved under
}

func newUseCounter(store UseStore) *useCounter {
	return &useCounter{store: store, blocks: map[slot]*useBlockLeft{}}
}

// take counts one use of a version that may have as many as limit. It returns false when it has had them all.
func (u *useCounter) take(ctx context.Context, version MaterialKey, limit int64) (bool, error) {
	block := u.block(slotOf(version))
	block.mu.Lock()
	defer block.mu.Unlock()
	if limit < block.limit {
		block.left = 0 // it may be more than is left now
	}
	if block.left > 0 {
		block.left--
		return true, nil
	}
	size := blockSize(limit - max(block.total, version.Uses.Count))
	total, err := u.store.ReserveUses(ctx, version, size)
	if err != nil {
		return false, fmt.Errorf("count uses of version %d: %w", version.Version, err)
	}
	// Others may have reserved since: what is beyond the limit is nobody's.
	block.total, block.limit, block.left = total, limit, max(size-max(total-limit, 0), 0)
	if block.left == 0 {
		return false, nil
	}
	block.left--
	return true, nil
}

// blockSize is how many uses are reserved at once where so many remain.
func blockSize(remaining int64) int64 { return min(max(remaining/useShare, 1), useBlock) }

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
