package barrier

import (
	"slices"
	"sync"
)

// purposes are those of the values that were wrapped or opened.
type purposes struct {
	mu    sync.RWMutex
	known map[string]struct{} // guarded by mu
}

func (p *purposes) note(purpose string) {
	p.mu.RLock()
	_, known := p.known[purpose]
	p.mu.RUnlock()
	if known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[purpose] = struct{}{}
}

// Purposes returns, sorted, the purposes of all values that this barrier has wrapped or opened since it was made. Who removes
// content keys compares them with the tables that he knows to hold values.
func (b *Barrier) Purposes() []string {
	b.purposes.mu.RLock()
	defer b.purposes.mu.RUnlock()
	list := make([]string, 0, len(b.purposes.known))
	for purpose := range b.purposes.known {
		list = append(list, purpose)
	}
	slices.Sort(list)
	return list
}
