package service

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

// certificates are those of the listeners.
type certificates struct {
	public, admin *tlsconfig.Material
	mutual        *tlsconfig.Material // nil without a listener that demands client certificates
	revocation    *revocation.Checker
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

// all are the materials that there are.
func (c *certificates) all() []*tlsconfig.Material {
	all := []*tlsconfig.Material{c.public, c.admin}
	if c.mutual != nil {
		all = append(all, c.mutual)
	}
	return all
}
