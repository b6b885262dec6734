package tlsconfig

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// obtainTimeout bounds one call of a Source.
const obtainTimeout = 30 * time.Second

// foreign is the certificate of a Source.
type foreign struct {
	source      Source
	names       []string
	certificate *tls.Certificate // nil while there is none that is valid
	next        time.Time        // when to ask again
}

// obtain asks the source when it is time. Without an answer the certificate that it gave last stays until it expires; then that of the configured
// mode is served.
func (m *Material) obtain(ctx context.Context) {
	if m.foreign.source == nil {
		return
	}
	m.mu.Lock()
	m.dropExpired()
	due, current, names := !m.now().Before(m.foreign.next), m.foreign.certificate, m.foreign.names
	if len(names) == 0 {
		names = namesOf(m.own.Leaf)
	}
	m.mu.Unlock()
	if !due {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, obtainTimeout)
	defer cancel()
	certificate, err := m.foreign.source.Obtain(bounded, names, current)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if err == nil {
		err = checkObtained(certificate, names, now)
	}
	if err != nil {
		m.foreign.next = now.Add(retryAfter)
		m.log.Warn("no certificate from the certificate authority service; the current one stays", "error", err, "not_after", m.NotAfter())
		return
	}
	m.foreign.certificate, m.foreign.next = certificate, renewAt(certificate.Leaf)
	m.use(certificate)
}

// dropExpired goes back to the configured mode. It is called with the lock held.
func (m *Material) dropExpired() {
	if f := m.foreign.certificate; f != nil && m.now().After(f.Leaf.NotAfter) {
		m.log.Error("the certificate of the certificate authority service has expired; the configured one is served", "not_after", f.Leaf.NotAfter)
		m.foreign.certificate = nil
		m.use(m.own)
	}
}

// checkObtained refuses what clients would refuse, and fills in the leaf.
func checkObtained(c *tls.Certificate, names []string, now time.Time) error {
	if c == nil || len(c.Certificate) == 0 {
		return errors.New("obtained certificate: is empty")
	}
	var chain []*x509.Certificate
	for i, der := range c.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("obtained certificate: parse %d: %w", i+1, err)
		}
		chain = append(chain, certificate)
	}
	if err := checkChain(chain, names, now); err != nil {
		return fmt.Errorf("obtained certificate: %w", err)
	}
	key, ok := c.PrivateKey.(crypto.Signer)
	if !ok || !samePublic(key.Public(), chain[0].PublicKey) {
		return errors.New("obtained certificate: its key is another one")
	}
	c.Leaf = chain[0]
	return nil
}
