// Package tlsconfig gives servers and clients their TLS set-up: TLS 1.3 (RFC 8446) only, AES-GCM, approved groups, and certificates that
// renew and reload without a restart. Its main type is [Material].
//
// In mode external the certificate comes from files. In mode auto it comes from a private hierarchy, which Open makes once in a folder and
// which several processes may share:
//
//	root.pem    the root certificate, for clients (10 years)
//	root.key    its key, needed only to renew the intermediate; absent in development mode, where it is never written
//	issuer.pem  the intermediate's certificate and key, and the root certificate once more
//	lock        held while the folder is looked at or changed
//
// Leaf certificates live 30 days and, with their keys, in the memory of one process only. Files appear whole or not at all, and in an order in
// which a creation that was cut off is finished by the next Open. A root that clients may trust is never replaced: what was lost or damaged
// is rebuilt from the same root where that is possible (root.pem from issuer.pem, issuer.pem from root.key), and is otherwise
// an error that says what is missing.
package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Modes of [Config].
const (
	ModeAuto     = "auto"
	ModeExternal = "external"
)

// pollInterval is how often Run looks at files and the clock.
const pollInterval = 10 * time.Second

// Config is the TLS section of a listener.
type Config struct {
	// Mode is auto (a private hierarchy in the data directory; default) or external (certificate and key from files).
	Mode string `koanf:"mode"`
	// Certificate is, in mode external, a PEM file with the leaf certificate and then its issuers, each after the one that it issued. The
	// root may be left out.
	Certificate config.Path `koanf:"certificate"`
	// Key is, in mode external, a PEM file with the private key: PKCS #8, SEC 1 or PKCS #1, not encrypted, for its owner only.
	Key config.Path `koanf:"key"`
	// DNSNames and IPAddresses are what clients call this service. In mode auto the certificate is made for them and for localhost,
	// 127.0.0.1 and ::1; in mode external it must hold them.
	DNSNames    []string `koanf:"dns_names"`
	IPAddresses []string `koanf:"ip_addresses"`
}

// dnsName matches what may stand in a certificate (RFC 5280 section 4.2.1.6, RFC 6125 section 6.4.3 for the wildcard).
var dnsName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Validate finds what does not go together.
func (c Config) Validate() []config.Problem {
	var problems []config.Problem
	add := func(path, message, suggestion string) {
		problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
	}
	for _, file := range []struct {
		path string
		name config.Path
	}{{"certificate", c.Certificate}, {"key", c.Key}} {
		switch {
		case c.Mode == ModeExternal && file.name == "":
			add(file.path, "is missing; mode external needs it", "")
		case c.mode() == ModeAuto && file.name != "":
			add(file.path, "is not used in mode auto", "set mode to external, or remove it")
		}
	}
	if c.Mode != "" {
		problems = append(problems, config.OneOf("mode", c.Mode, ModeAuto, ModeExternal)...)
	}
	for i, name := range c.DNSNames {
		if _, err := netip.ParseAddr(name); err == nil {
			add(fmt.Sprintf("dns_names[%d]", i), fmt.Sprintf("%q is an IP address", name), "write it under ip_addresses")
		} else if len(name) > 253 || !dnsName.MatchString(name) {
			add(fmt.Sprintf("dns_names[%d]", i), fmt.Sprintf("%q is not a DNS name", name), "write a host name without scheme and port")
		}
	}
	for i, text := range c.IPAddresses {
		if address, err := netip.ParseAddr(text); err != nil || address.Zone() != "" {
			add(fmt.Sprintf("ip_addresses[%d]", i), fmt.Sprintf("%q is not an IP address", text), "")
		}
	}
	return problems
}

// mode is Mode or the default.
func (c Config) mode() string {
	if c.Mode == "" {
		return ModeAuto
	}
	return c.Mode
}

// Options are what the program, not its configuration, decides.
type Options struct {
	Dir     string           // folder of the private hierarchy, created with mode 0700; mode auto needs it
	Dev     bool             // development mode: names are constrained to localhost, the root's key is thrown away
	Secrets config.Policy    // how strictly the key file of mode external is checked
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: silence
	Poll    time.Duration    // how often Run looks; 0: 10 s
}

// source is where certificates come from. Material calls it under its lock.
type source interface {
	// stale says whether load would give something new.
	stale(now time.Time) bool
	// load gives the certificate to serve from now on.
	load(now time.Time) (*tls.Certificate, error)
}

// Material is a server's certificate, always the newest, and what its clients trust.
type Material struct {
	now  func() time.Time
	log  *slog.Logger
	poll time.Duration

	rootFile string
	rootPool *x509.CertPool

	current atomic.Pointer[tls.Certificate]
	mu      sync.Mutex // guards source; held while a certificate is loaded
	source  source
}

// Open loads the certificate, or makes the hierarchy and issues one. An error says which file is wrong, how, and what to do.
func Open(c Config, o Options) (*Material, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open TLS material: %w", config.Problems(problems))
	}
	m := &Material{now: o.Now, log: o.Log, poll: o.Poll}
	if m.now == nil {
		m.now = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.poll <= 0 {
		m.poll = pollInterval
	}
	var err error
	switch c.mode() {
	case ModeExternal:
		err = m.openExternal(c, o)
	default:
		err = m.openAuto(c, o)
	}
	if err != nil {
		return nil, fmt.Errorf("open TLS material: %w", err)
	}
	return m, nil
}

func (m *Material) openExternal(c Config, o Options) error {
	s := &external{certificate: string(c.Certificate), key: string(c.Key), names: append(append([]string(nil), c.DNSNames...), c.IPAddresses...), policy: o.Secrets}
	certificate, err := s.load(m.now())
	if err != nil {
		return err
	}
	m.source, m.rootFile, m.rootPool = s, s.certificate, x509.NewCertPool()
	for _, der := range certificate.Certificate {
		anchor, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("parse chain: %w", err)
		}
		m.rootPool.AddCert(anchor)
	}
	m.current.Store(certificate)
	return nil
}

func (m *Material) openAuto(c Config, o Options) error {
	if o.Dir == "" {
		return errors.New("mode auto needs a folder")
	}
	s, err := newAuto(c, o, m.log)
	if err != nil {
		return err
	}
	certificate, err := s.load(m.now())
	if err != nil {
		return err
	}
	m.source, m.rootFile, m.rootPool = s, s.hierarchy.rootFile(), x509.NewCertPool()
	m.rootPool.AddCert(s.root)
	m.current.Store(certificate)
	return nil
}

// RootFile is the PEM file that clients trust: root.pem, or in mode external the chain that was configured, by which this
// installation's own commands know its server.
func (m *Material) RootFile() string { return m.rootFile }

// RootPool holds what is in RootFile.
func (m *Material) RootPool() *x509.CertPool { return m.rootPool.Clone() }

// NotAfter is when the current certificate expires.
func (m *Material) NotAfter() time.Time { return m.current.Load().Leaf.NotAfter }

// Reload loads the certificate anew, whether or not something has changed. After an error the current one stays.
func (m *Material) Reload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	certificate, err := m.source.load(m.now())
	if err != nil {
		return fmt.Errorf("reload certificate: %w", err)
	}
	m.use(certificate)
	return nil
}

// Run renews the certificate before it expires and takes over changed files until ctx ends. What cannot be used is logged once,
// and the current certificate stays.
func (m *Material) Run(ctx context.Context) {
	tick := time.NewTicker(m.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.refresh()
		}
	}
}

// refresh loads the certificate if there is a new one.
func (m *Material) refresh() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !m.source.stale(now) {
		return
	}
	certificate, err := m.source.load(now)
	if err != nil {
		m.log.Error("the new TLS certificate cannot be used; the old one stays", "error", err, "old_not_after", m.NotAfter())
		return
	}
	m.use(certificate)
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
