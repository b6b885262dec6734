package revocation

import (
	"sync"
	"time"
)

// retryAfter is how long nobody is asked again who did not answer.
const retryAfter = 10 * time.Second

// Outcomes of looking for a status.
const (
	outcomeNone    = iota // nobody answered
	outcomeGood           // somebody knows the certificate and it is not revoked
	outcomeRevoked        // it is revoked
	outcomeUnknown        // the responder does not know the certificate
)

// status is what is known about one certificate.
type status struct {
	outcome int
	at      time.Time // of the revocation
	reason  int       // of the revocation (RFC 5280 section 5.3.1)
	asOf    time.Time // thisUpdate of the evidence
	until   time.Time // nextUpdate of the evidence
	renew   time.Time // when to ask anew
	lists   uint64    // the generation of the lists that it was found in; 0 when it was not found in a list
	cause   error     // why there is none
}

// answered says whether somebody said something that decides.
func (s status) answered() bool { return s.outcome == outcomeGood || s.outcome == outcomeRevoked }

// renewal is when three quarters of the life of evidence are over, or, when they are already, of what is left.
func renewal(asOf, until, now time.Time) time.Time {
	renew := asOf.Add(until.Sub(asOf) / 4 * 3)
	if now.Before(renew) {
		return renew
	}
	return now.Add(max(retryAfter, until.Sub(now)/4*3))
}

// memory keeps the status of certificates by their DER, within a bound.
type memory struct {
	mu    sync.RWMutex
	known map[string]status
	bound int
}

// get finds the status of a certificate. It allocates nothing.
func (m *memory) get(der []byte) (status, bool) {
	m.mu.RLock()
	s, ok := m.known[string(der)]
	m.mu.RUnlock()
	return s, ok
}

// put keeps a status and returns the one that holds: an answer that is still valid gives way neither to an older one nor to none.
func (m *memory) put(der []byte, s status, now time.Time) status {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.known[string(der)]
	switch {
	case !ok:
		m.makeRoom(now)
	case old.answered() && now.Before(old.until) && !s.answered():
		if old.renew = now.Add(retryAfter); old.lists != 0 {
			old.lists = s.lists // nothing better is in them
		}
		s = old
	case old.answered() && now.Before(old.until) && old.asOf.After(s.asOf):
		old.renew, old.lists = s.renew, s.lists
		s = old
	}
	m.known[string(der)] = s
	return s
}

// makeRoom drops what is over and, when that is not enough, any other. It is called with the lock held.
func (m *memory) makeRoom(now time.Time) {
	if len(m.known) < m.bound {
		return
	}
	const looked = 16 // at so many, so that a full memory costs little
	i := 0
	var other string
	for key, s := range m.known {
		if other = key; !now.Before(s.until) {
			delete(m.known, key)
		}
		if i++; i == looked {
			break
		}
	}
	if len(m.known) >= m.bound {
		delete(m.known, other)
	}
}
