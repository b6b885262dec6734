package session

import (
	"crypto/sha256"
	"sync"
)

// maxReadings is how many of the newest verified tokens are remembered, twice at most.
const maxReadings = 8192

// readings remembers which tokens were found genuine, by their hash, so that they are not read and verified with every request. Whether the
// session is in force is not remembered here.
type readings struct {
	mu          sync.Mutex
	young, aged map[[sha256.Size]byte]reading // guarded by mu
}

func newReadings() *readings {
	r := &readings{}
	r.clear()
	return r
}

func (r *readings) get(token string) (reading, bool) {
	sum := sha256.Sum256([]byte(token))
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.young[sum]
	if !ok {
		if known, ok = r.aged[sum]; ok {
			r.keep(sum, known)
		}
	}
	return known, ok
}

// put remembers a token that was found genuine, unless it is known.
func (r *readings) put(token string, found reading) {
	if found.known {
		return
	}
	found.known = true
	sum := sha256.Sum256([]byte(token))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(sum, found)
}

// keep is called with mu held. When the young are many they become the aged, and those are forgotten.
func (r *readings) keep(sum [sha256.Size]byte, known reading) {
	if len(r.young) >= maxReadings {
		r.young, r.aged = map[[sha256.Size]byte]reading{}, r.young
	}
	r.young[sum] = known
}

func (r *readings) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.young, r.aged = map[[sha256.Size]byte]reading{}, nil
}
