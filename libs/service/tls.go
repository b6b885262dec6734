package service

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

// certificates are those of the listeners.
type certificates struct {
	public, admin *tlsconfig.Material
	mutual        *tlsconfig.Material // nil without a listener that demands client certificates
	revocation    *revocation.Checker // of clients' certificates
	peers         *revocation.Checker // of federated services'
}

func (p *Platform) openTLS(_ context.Context, cfg *Config) (err error) {
	options := tlsconfig.Options{Dir: cfg.tlsDir(), Dev: p.dev, Secrets: cfg.Secrets, Now: p.Now, Log: p.Log}
	if p.tls.admin, err = tlsconfig.OpenLoopback(options); err != nil {
		return err
	}
	own, err := tlsconfig.ReadCertificates(p.tls.admin.RootFile())
	if err != nil {
		return err
	}
	if p.tls.revocation, err = revocation.New(cfg.Revocation, revocation.Options{OwnRoots: own, Now: p.Now, Log: p.Log}); err != nil {
		return err
	}
	if err := p.openPeerStatus(cfg, own); err != nil {
		return err
	}
	options.Status = p.tls.revocation
	if p.tls.public, err = tlsconfig.Open(cfg.TLS, options); err != nil {
		return err
	}
	if cfg.MTLS.Address == "" {
		return nil
	}
	mutual := cfg.TLS
	mutual.ClientCertificates.Mode = tlsconfig.ClientsRequired
	p.tls.mutual, err = tlsconfig.Open(mutual, options)
	return err
}

// openPeerStatus is for the certificates of federated services. A root that somebody has configured for a peer is one of this installation,
// as far as certificates that name no responder are concerned.
func (p *Platform) openPeerStatus(cfg *Config, own []*x509.Certificate) (err error) {
	roots := slices.Clone(own)
	for _, file := range cfg.Federation.Roots() {
		certificates, err := tlsconfig.ReadCertificates(file)
		if err != nil {
			return fmt.Errorf("root certificate of a federated peer: %w", err)
		}
		roots = append(roots, certificates...)
	}
	p.tls.peers, err = revocation.New(cfg.Revocation, revocation.Options{OwnRoots: roots, Now: p.Now, Log: p.Log})
	return err
}

// all are the materials that there are.
func (c *certificates) all() []*tlsconfig.Material {
	all := []*tlsconfig.Material{c.public, c.admin}
	if c.mutual != nil {
		all = append(all, c.mutual)
	}
	return all
}
