package service

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// checks are what readiness looks at in every service, beside the seal.
func (p *Platform) checks() []server.Check {
	checks := []server.Check{
		{Name: "database", Required: true, Probe: p.DB.Ping},
		{Name: "migrations", Required: true, Probe: p.probeMigrations},
		{Name: "change-sequence", Required: true, Probe: p.Changes.Ensure},
		{Name: "certificates", Probe: p.probeCertificates},
	}
	for _, peer := range p.Federation.Peers() {
		checks = append(checks, server.Check{
			Name: "peer-" + peer.Name(), Required: peer.Status().Required, Probe: func(context.Context) error { return peer.Probe() },
		})
	}
	return checks
}

func (p *Platform) probeMigrations(ctx context.Context) error {
	sets, err := p.description.Sets()
	if err != nil {
		return err
	}
	pending, err := p.DB.Pending(ctx, sets...)
	if err == nil && pending > 0 {
		err = fmt.Errorf("%d migrations are pending; run migrate", pending)
	}
	return err
}

// probeCertificates fails, which degrades the service, when somebody should look at a certificate.
func (p *Platform) probeCertificates(context.Context) error {
	for _, material := range p.tls.all() {
		for _, e := range material.Expiry() {
			if e.Due {
				return fmt.Errorf("the %s certificate %q expires at %s: renew it", e.Role, e.Subject, e.NotAfter.UTC().Format(time.RFC3339))
			}
		}
	}
	return nil
}
