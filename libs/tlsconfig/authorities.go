package tlsconfig

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Authorities are the certificate authorities in PEM files, as the files say now.
type Authorities struct {
	files []string
	log   *slog.Logger

	current atomic.Pointer[authoritySet]
	mu      sync.Mutex        // held while files are read
	seen    [sha256.Size]byte // digest of the files when they were read last, usable or not
}

// authoritySet is never changed.
type authoritySet struct {
	certificates []*x509.Certificate
	pool         *x509.CertPool
	members      map[string]struct{} // their DER
}

func newAuthoritySet(certificates []*x509.Certificate) *authoritySet {
	s := &authoritySet{certificates: certificates, pool: x509.NewCertPool(), members: map[string]struct{}{}}
	for _, c := range certificates {
		s.pool.AddCert(c)
		s.members[string(c.Raw)] = struct{}{}
	}
	return s
}

// OpenAuthorities reads the files, each of which must hold at least one authority and nothing else. log may be nil.
func OpenAuthorities(files []config.Path, log *slog.Logger) (*Authorities, error) {
	if len(files) == 0 {
		return nil, errors.New("open certificate authorities: no file is named")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Authorities{log: log}
	for _, file := range files {
		a.files = append(a.files, file.String())
	}
	if err := a.Reload(); err != nil {
		return nil, err
	}
	return a, nil
}

// fixedAuthorities come from no file and never change.
func fixedAuthorities(certificates ...*x509.Certificate) *Authorities {
	a := &Authorities{}
	a.current.Store(newAuthoritySet(certificates))
	return a
}

// Pool holds the authorities, for the caller to keep or change.
func (a *Authorities) Pool() *x509.CertPool { return a.current.Load().pool.Clone() }

// pool is shared by all connections.
func (a *Authorities) pool() *x509.CertPool { return a.current.Load().pool }

// trusts says whether a certificate is one of the authorities.
func (a *Authorities) trusts(c *x509.Certificate) bool {
	_, ok := a.current.Load().members[string(c.Raw)]
	return ok
}

// Reload reads the files anew. After an error the current authorities stay.
func (a *Authorities) Reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.load()
}

// Run reads files that have changed until ctx ends. What cannot be used is logged once, and the current authorities stay. poll is how often
// it looks; 0 means 10 s.
func (a *Authorities) Run(ctx context.Context, poll time.Duration) {
	if poll <= 0 {
		poll = pollInterval
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.refresh()
		}
	}
}

// refresh reads the files if they have other contents than at the last time.
func (a *Authorities) refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.files) == 0 || a.digest() == a.seen {
		return
	}
	if err := a.load(); err != nil {
		a.log.Error("the new certificate authorities cannot be used; the old ones stay", "error", err)
		return
	}
	a.log.Info("certificate authorities replaced", "count", len(a.current.Load().certificates))
}

// load is called with the lock held.
func (a *Authorities) load() error {
	if len(a.files) == 0 {
		return nil
	}
	a.seen = a.digest()
	var all []*x509.Certificate
	for _, file := range a.files {
		certificates, err := ReadCertificates(file)
		if err != nil {
			return fmt.Errorf("load certificate authorities: %w", err)
		}
		for _, c := range certificates {
			if !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
				return fmt.Errorf("load certificate authorities: %s: %s is not an authority", file, c.Subject)
			}
		}
		all = append(all, certificates...)
	}
	a.current.Store(newAuthoritySet(all))
	return nil
}

// digest covers all files; one that cannot be read counts as empty.
func (a *Authorities) digest() [sha256.Size]byte {
	h := sha256.New()
	for _, file := range a.files {
		text, _ := os.ReadFile(file) // load reports what is wrong with it
		sum := sha256.Sum256(text)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
