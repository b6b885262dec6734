package accesstoken

import (
	"strings"
	"sync"
)

// maxHeaders bounds the headers that are remembered: an issuer has one for each of its keys.
const maxHeaders = 256

// headers remembers the encoded headers of tokens that were genuine, so that a token is recognized without being read.
type headers struct {
	mu    sync.RWMutex
	known map[string]struct{} // guarded by mu
}

func newHeaders() *headers { return &headers{known: map[string]struct{}{}} }

func (h *headers) has(header string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	_, there := h.known[header]
	return there
}

func (h *headers) add(header string) {
	if h.has(header) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxHeaders {
		clear(h.known)
	}
	h.known[strings.Clone(header)] = struct{}{} // a copy: it is not to keep the token in memory
}
