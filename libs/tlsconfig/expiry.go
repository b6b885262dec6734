package tlsconfig

import (
	"crypto/x509"
	"time"
)

// What an [Expiry] is about.
const (
	RoleServer          = "server"           // the certificate that is served
	RoleIssuer          = "issuer"           // one of those above it
	RoleClientAuthority = "client_authority" // one whose clients are accepted
)

// A certificate is due when a fifth of its life is left, but not before the last seven days of a leaf's life and the last ninety of an authority's:
// renewal begins at a third, so one that is due was tried in vain for some time.
const (
	dueShare     = 5
	dueLeaf      = 7 * 24 * time.Hour
	dueAuthority = 90 * 24 * time.Hour
)

// Expiry says how long a certificate is good for.
type Expiry struct {
	Role      string
	Subject   string
	Serial    string // hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	Left      time.Duration // negative once it has expired
	Due       bool          // somebody should look at it
}

// Expiry reports on the certificate that is served, those above it, and the authorities of clients, in this order.
func (m *Material) Expiry() []Expiry {
	now := m.now()
	served := m.current.Load()
	report := []Expiry{expiryOf(served.Leaf, RoleServer, now)}
	known := map[string]bool{string(served.Leaf.Raw): true}
	add := func(c *x509.Certificate, role string) {
		if !known[string(c.Raw)] {
			known[string(c.Raw)] = true
			report = append(report, expiryOf(c, role, now))
		}
	}
	for _, der := range served.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil { // it was parsed when it was loaded
			add(c, RoleIssuer)
		}
	}
	m.mu.Lock()
	anchors := m.origin.anchors()
	if m.foreign.certificate != nil {
		anchors = nil
	}
	m.mu.Unlock()
	for _, c := range anchors {
		add(c, RoleIssuer)
	}
	if m.authorities != nil {
		for _, c := range m.authorities.current.Load().certificates {
			add(c, RoleClientAuthority)
		}
	}
	return report
}

func expiryOf(c *x509.Certificate, role string, now time.Time) Expiry {
	bound := dueLeaf
	if c.IsCA {
		bound = dueAuthority
	}
	left := c.NotAfter.Sub(now)
	return Expiry{
		Role: role, Subject: c.Subject.String(), Serial: c.SerialNumber.Text(16), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Left: left, Due: left < min(c.NotAfter.Sub(c.NotBefore)/dueShare, bound),
	}
}
