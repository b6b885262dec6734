package service

import (
	"context"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session/exchange"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/reference"
)

// dependencies are what the server stands on.
func (i *Instance) dependencies() (server.Deps, error) {
	p, cfg := i.platform, i.config
	d := server.Deps{
		Log: p.Log, Tracer: p.Telemetry.Tracer(p.description.Name), Meter: p.Telemetry.Meter(p.description.Name),
		TLS: p.tls.public, AdminTLS: p.tls.admin, Auth: p.gate, Now: p.Now,
		API:         server.API{Document: p.description.Document, Codes: p.description.Codes, Mount: i.domain.Mount},
		Product:     p.description.Product,
		Protocols:   append([]server.Protocol{p.announcement()}, i.domain.Protocols...),
		Sessions:    p.sessions,
		Tenants:     knownTenants{p},
		Auditor:     auditor{p.Audit},
		Granted:     p.Access.Some,
		Features:    p.features(cfg),
		Bind:        database.WithTenant,
		Idempotency: p.answers,
		Barrier:     p.Barrier,
		Operator:    &watched{Operator: p.operator, forget: i.forget, unsealed: p.unsealed},
		Checks:      append(p.checks(), i.domain.Checks...),
		DataDir:     cfg.DataDir.String(),
		Dev:         p.dev,
	}
	if p.tls.mutual != nil {
		d.MTLS = p.tls.mutual
	}
	if p.file != nil {
		d.AdminAuth = auth.NewOperators(p.file, p.hashes.Registry(secrethash.LowEntropyRandom), p.Now)
	}
	for _, add := range []func(*server.Deps) error{i.addAdministration, i.addApprovals, i.addLogin, i.addBarrierAdmin, i.addReference} {
		if err := add(&d); err != nil {
			return server.Deps{}, err
		}
	}
	return d, nil
}

// peerFeature begins the names of features that a peer makes possible: "peer-kms" is there while the KMS is.
const peerFeature = "peer-"

// features tells which features of the documents (x-feature) are there: as the configuration says, or as long as a peer is up.
func (p *Platform) features(cfg *Config) func(name string) bool {
	return func(name string) bool {
		if peer, ok := strings.CutPrefix(name, peerFeature); ok {
			return p.Federation.Up(peer)
		}
		return cfg.Features.on(name)
	}
}

// addAdministration adds the platform's own API.
func (i *Instance) addAdministration(d *server.Deps) error {
	p := i.platform
	operations, err := admin.New(admin.Config{
		DB: p.DB, Directory: p.directory, Sessions: p.sessions, Tenants: p.tenants, Audit: p.Audit, Record: admin.Recorder(p.Audit), Cursors: p.Cursors, Now: p.Now,
	})
	if err != nil {
		return err
	}
	d.Platform = append(d.Platform, operations.API(), exchange.New(p.sessions))
	return nil
}

// addLogin adds the pages by which people log in. In a federation they log in at Identity.
func (i *Instance) addLogin(d *server.Deps) error {
	p := i.platform
	if !i.config.Features.Login || p.federated(i.config) {
		return nil
	}
	pages, err := login.New(login.Config{
		Sessions: p.sessions, Passwords: p.passwords, Tokens: p.gate, Keys: p.Barrier, Title: p.description.Summary, Now: p.Now, Log: p.Log,
	})
	if err != nil {
		return err
	}
	d.Protocols = append(d.Protocols, pages.Protocols()...)
	return nil
}

// addReference adds what all documents say.
func (i *Instance) addReference(d *server.Deps) error {
	if !i.config.Features.Reference {
		return nil
	}
	pages, err := reference.New(d.Product, i.platform.description.Summary, append([]server.API{d.API}, d.Platform...))
	if err != nil {
		return err
	}
	d.Protocols = append(d.Protocols, pages.Protocols()...)
	return nil
}

// addBarrierAdmin adds rotation, re-wrapping and rekeying to the admin listener.
func (i *Instance) addBarrierAdmin(d *server.Deps) error {
	p := i.platform
	routes, err := server.BarrierAdmin{
		Barrier: p.Barrier, Operator: p.operator, Tenants: p.Tenants, Rewrap: rewrapping{p.rewrap}, Secrets: i.config.Secrets, Remote: p.remote(i.config),
	}.Routes()
	if err != nil {
		return err
	}
	d.AdminRoutes = append(d.AdminRoutes, routes...)
	return nil
}

// forget drops what was opened while the barrier was unsealed.
func (i *Instance) forget() {
	i.platform.sessions.Forget()
	i.platform.directory.Forget()
	if i.domain.Forget != nil {
		i.domain.Forget()
	}
}

// watched has the platform follow what an operator does to the barrier.
type watched struct {
	*unseal.Operator

	forget   func()
	unsealed func(ctx context.Context) error
}

// Seal implements server.Operator.
func (w *watched) Seal(ctx context.Context) error {
	err := w.Operator.Seal(ctx)
	w.forget()
	return err
}

// Start implements server.Operator.
func (w *watched) Start(ctx context.Context) error {
	if err := w.Operator.Start(ctx); err != nil {
		return err
	}
	return w.unsealed(ctx)
}

// SubmitShare implements server.Operator.
func (w *watched) SubmitShare(ctx context.Context, text string) (unseal.Status, error) {
	status, err := w.Operator.SubmitShare(ctx, text)
	if err != nil {
		return status, err
	}
	return status, w.unsealed(ctx)
}

// Tenants lists tenants that are not deleted: up to limit, in order, after the given one.
func (p *Platform) Tenants(ctx context.Context, after string, limit int) ([]string, error) {
	list, err := p.tenants.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, tenant := range list {
		ids = append(ids, tenant.ID)
	}
	return ids, nil
}
