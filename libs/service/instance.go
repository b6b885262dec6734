package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/coredump"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
)

// sweepInterval is how often what has expired is removed.
const sweepInterval = 10 * time.Minute

// Instance is a built service.
type Instance struct {
	platform *Platform
	domain   Domain
	server   *server.Server
}

// Open opens everything that a configuration names, in order; the first failure is returned and closes what was opened. dev is set by
// development mode alone.
func (s Service[C]) Open(ctx context.Context, cfg C, dev bool, logOut io.Writer) (_ *Instance, err error) {
	base := common(&cfg)
	if err := server.CheckDataDir(base.DataDir.String(), dev); err != nil {
		return nil, err
	}
	if base.Unseal.Mode == string(unseal.Dev) && !dev {
		return nil, errors.New("unseal mode dev is for development mode alone; use derive or shamir")
	}
	if err := coredump.Off(); err != nil {
		return nil, err
	}
	i := &Instance{platform: &Platform{Now: time.Now}}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	p := i.platform
	resource := telemetry.Resource{Service: s.Name, Version: buildinfo.Read().Version, Instance: rand.Text()}
	if p.Telemetry, err = telemetry.Start(ctx, base.Telemetry, resource, logOut); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	p.Log = p.Telemetry.Log()
	if err := p.open(ctx, s.Description, base, dev); err != nil {
		return nil, err
	}
	if i.domain, err = s.Build(ctx, cfg, p); err != nil {
		return nil, err
	}
	i.server, err = server.New(base.Config, server.Deps{
		Log: p.Log, Tracer: p.Telemetry.Tracer(s.Name), Meter: p.Telemetry.Meter(s.Name), TLS: p.tls, Auth: p.realm,
		API:         server.API{Document: s.Document, Codes: s.Codes, Mount: i.domain.Mount},
		Product:     s.Product,
		Protocols:   i.domain.Protocols,
		Bind:        database.WithTenant,
		Idempotency: p.answers,
		Barrier:     p.Barrier,
		Operator:    &forgetful{Operator: p.operator, forget: i.domain.Forget},
		Checks:      append(checks(s.Description, p.DB), i.domain.Checks...),
		DataDir:     base.DataDir.String(),
		Dev:         dev,
	})
	return i, err
}

// forgetful drops opened keys when the barrier is sealed.
type forgetful struct {
	*unseal.Operator

	forget func()
}

// Seal implements server.Operator.
func (f *forgetful) Seal(ctx context.Context) error {
	err := f.Operator.Seal(ctx)
	if f.forget != nil {
		f.forget()
	}
	return err
}

// Run serves until ctx ends or somebody asks for the end, drains, and closes everything. onReady is called once the listeners accept.
func (i *Instance) Run(ctx context.Context, onReady func(*Instance)) error {
	background, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	p := i.platform
	tasks := append([]func(context.Context){p.tls.Run, p.realm.Run, p.sweep}, i.domain.Tasks...)
	for _, task := range tasks {
		group.Go(func() { task(background) })
	}
	group.Go(func() {
		select {
		case <-i.server.Ready():
			p.Generator.Ready()
			onReady(i)
		case <-background.Done():
		}
	})
	err := i.server.Run(ctx)
	stop()
	group.Wait()
	return errors.Join(err, i.close())
}

// sweep removes expired idempotent answers until ctx ends.
func (p *Platform) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		removed, err := p.answers.Sweep(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.Log.Error("sweep idempotent answers", "error", err)
		case removed > 0:
			p.Log.Debug("swept idempotent answers", "removed", removed)
		}
	}
}

// Reload takes over what can change while the service runs.
func (i *Instance) Reload(cfg *Config) error {
	p := i.platform
	return errors.Join(p.tls.Reload(), p.realm.Reload(), p.Telemetry.SetLevel(cfg.Telemetry.LogLevel))
}

// URL is where programs reach the service, with the real port.
func (i *Instance) URL() string { return i.server.PublicURL() }

// AdminURL is where the machine's operator reaches it.
func (i *Instance) AdminURL() string { return i.server.AdminURL() }

// RootFile is the root certificate that clients trust.
func (i *Instance) RootFile() string { return i.platform.tls.RootFile() }

func (i *Instance) close() error {
	var err error
	if i.domain.Close != nil {
		err = i.domain.Close()
	}
	return errors.Join(err, i.platform.close())
}
