// Package tlsconfig gives servers and clients their TLS set-up: TLS 1.3 (RFC 8446) only, AES-GCM, approved groups, and certificates that
// renew and reload without a restart. Its main type is [Material].
//
// In mode external the certificate comes from files, and in mode mixed from an issuing authority in files. In mode auto it comes from a private hierarchy, which Open makes once in a folder and
// which several processes may share:
//
//	root.pem    the root certificate, for clients (10 years)
//	root.key    its key, needed only to renew the intermediate; absent in development mode, where it is never written
//	issuer.pem  the intermediate's certificate and key, and the root certificate once more
//	lock        held while the folder is looked at or changed
//
// Leaf certificates live 30 days (7 in mode mixed) and, with their keys, in the memory of one process only. Files appear whole or not at all, and in an order in
// which a creation that was cut off is finished by the next Open. A root that clients may trust is never replaced: what was lost or damaged
// is rebuilt from the same root where that is possible (root.pem from issuer.pem, issuer.pem from root.key), and is otherwise
// an error that says what is missing.
//
// A listener may ask for client certificates ([ClientCertificates]). They are verified in the handshake and, through [Material.CheckPeer], for every
// request; resumption is off where they are asked for. [Outgoing] is the same for calls to others. Package revocation knows whether a
// certificate is revoked, and package guarded fetches what strangers name.
package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// pollInterval is how often Run looks at files and the clock.
const pollInterval = 10 * time.Second

// Options are what the program, not its configuration, decides.
type Options struct {
	Dir     string           // folder of the private hierarchy, created with mode 0700; mode auto needs it
	Dev     bool             // development mode: names are constrained to localhost, the root's key is thrown away
	Client  bool             // the certificates of modes auto and mixed serve outgoing connections too (extended key usage clientAuth)
	Secrets config.Policy    // how strictly key files are checked
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: silence
	Poll    time.Duration    // how often Run looks; 0: 10 s
	// Status is asked about the certificates of clients; nil when revocation is not looked at.
	Status StatusChecker
	// Source gives the certificate from the moment that it can; until then, and when what it gave has expired, the configured mode does.
	Source Source
}

// origin is where certificates come from. Material calls it under its lock.
type origin interface {
	// stale says whether load would give something new.
	stale(now time.Time) bool
	// load gives the certificate to serve from now on.
	load(now time.Time) (*tls.Certificate, error)
	// anchors are what clients of this installation trust, as of the last load.
	anchors() []*x509.Certificate
	// authority is this installation's own, or nil.
	authority() *x509.Certificate
}

// Material is a server's certificate, always the newest, and what its clients trust.
type Material struct {
	now  func() time.Time
	log  *slog.Logger
	poll time.Duration

	rootFile string
	rootPool *x509.CertPool

	clients     tls.ClientAuthType
	authorities *Authorities // whose clients are accepted; nil when clients are not asked
	status      StatusChecker

	current atomic.Pointer[tls.Certificate]
	mu      sync.Mutex // guards what follows; held while a certificate is loaded
	origin  origin
	own     *tls.Certificate // the newest of origin
	foreign foreign          // of Options.Source
}

// Open loads the certificate, or makes the hierarchy and issues one. An error says which file is wrong, how, and what to do.
func Open(c Config, o Options) (*Material, error) {
	problems := c.Validate()
	for _, p := range c.ClientCertificates.Validate() {
		p.Path = "client_certificates." + p.Path
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("open TLS material: %w", config.Problems(problems))
	}
	m := &Material{now: o.Now, log: o.Log, poll: o.Poll, status: o.Status}
	if m.now == nil {
		m.now = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.poll <= 0 {
		m.poll = pollInterval
	}
	if err := m.open(c, o); err != nil {
		return nil, fmt.Errorf("open TLS material: %w", err)
	}
	return m, nil
}

// OpenLoopback is for a listener that only this machine reaches: a certificate of the hierarchy in o.Dir for localhost, 127.0.0.1 and ::1, whatever
// certificate other listeners have. Clients are not asked for theirs.
func OpenLoopback(o Options) (*Material, error) {
	o.Source, o.Status, o.Client = nil, nil, false
	return Open(Config{Mode: ModeAuto}, o)
}

func (m *Material) open(c Config, o Options) error {
	var err error
	switch c.mode() {
	case ModeExternal:
		m.rootFile = c.Certificate.String()
		m.origin = &external{
			certificate: c.Certificate.String(), key: c.Key.String(), names: append(append([]string(nil), c.DNSNames...), c.IPAddresses...), policy: o.Secrets,
		}
	case ModeMixed:
		m.rootFile = c.IssuerCertificate.String()
		m.origin = newMixed(c, o)
	default:
		if o.Dir == "" {
			return errors.New("mode auto needs a folder")
		}
		a, err := newAuto(c, o, m.log)
		if err != nil {
			return err
		}
		m.rootFile = a.hierarchy.rootFile()
		m.origin = a
	}
	if m.own, err = m.origin.load(m.now()); err != nil {
		return err
	}
	m.rootPool = x509.NewCertPool()
	for _, anchor := range m.origin.anchors() {
		m.rootPool.AddCert(anchor)
	}
	m.foreign = foreign{source: o.Source, names: append(append([]string(nil), c.DNSNames...), c.IPAddresses...)}
	m.current.Store(m.own)
	return m.openClients(c.ClientCertificates)
}

// openClients prepares what clients are asked for.
func (m *Material) openClients(c ClientCertificates) (err error) {
	if !c.asked() {
		return nil
	}
	m.clients = c.auth()
	if len(c.Authorities) == 0 {
		m.authorities = fixedAuthorities(m.origin.authority())
		return nil
	}
	m.authorities, err = OpenAuthorities(c.Authorities, m.log)
	return err
}

// RootFile is the PEM file that clients trust: root.pem, in mode mixed the issuer's chain, or in mode external the chain that was configured, by
// which this installation's own commands know its server.
func (m *Material) RootFile() string { return m.rootFile }

// RootPool holds what is in RootFile.
func (m *Material) RootPool() *x509.CertPool { return m.rootPool.Clone() }

// NotAfter is when the current certificate expires.
func (m *Material) NotAfter() time.Time { return m.current.Load().Leaf.NotAfter }

// Reload loads the certificate and the authorities of clients anew, whether or not something has changed. After an error what there is stays.
func (m *Material) Reload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	certificate, err := m.origin.load(m.now())
	if err != nil {
		err = fmt.Errorf("reload certificate: %w", err)
	} else {
		m.renew(certificate)
	}
	if m.authorities != nil {
		err = errors.Join(err, m.authorities.Reload())
	}
	return err
}

// Run renews the certificate before it expires and takes over changed files until ctx ends. What cannot be used is logged once,
// and the current certificate stays.
func (m *Material) Run(ctx context.Context) {
	tick := time.NewTicker(m.poll)
	defer tick.Stop()
	for {
		m.obtain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.refresh()
			if m.authorities != nil {
				m.authorities.refresh()
			}
		}
	}
}

// refresh loads the certificate if there is a new one.
func (m *Material) refresh() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !m.origin.stale(now) {
		return
	}
	certificate, err := m.origin.load(now)
	if err != nil {
		m.log.Error("the new TLS certificate cannot be used; the old one stays", "error", err, "old_not_after", m.own.Leaf.NotAfter)
		return
	}
	m.renew(certificate)
}

// renew takes over what the origin gave. It is called with the lock held.
func (m *Material) renew(certificate *tls.Certificate) {
	m.own = certificate
	if m.authorities != nil && len(m.authorities.files) == 0 {
		m.authorities.current.Store(newAuthoritySet([]*x509.Certificate{m.origin.authority()}))
	}
	if m.foreign.certificate == nil {
		m.use(certificate)
	}
}

// use serves a certificate from now on. It is called with the lock held.
func (m *Material) use(certificate *tls.Certificate) {
	m.current.Store(certificate)
	leaf := certificate.Leaf
	m.log.Info("TLS certificate replaced", "serial", leaf.SerialNumber.Text(16), "not_after", leaf.NotAfter, "names", strings.Join(namesOf(leaf), " "))
}

// namesOf lists what a certificate is for.
func namesOf(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
