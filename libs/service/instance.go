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
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
)

// Instance is a built service.
type Instance struct {
	platform *Platform
	config   *Config // guarded by reloading once Run has begun
	own      any     // the whole configuration, the service's own part included; a pointer to it
	domain   Domain
	server   *server.Server
	metrics  *metricsListener // nil without one

	reloading sync.Mutex
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
	p := &Platform{Now: time.Now, description: s.Description, dev: dev}
	i := &Instance{platform: p, config: base, own: &cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	resource := telemetry.Resource{Service: s.Name, Version: buildinfo.Read().Version, Instance: rand.Text()}
	if p.Telemetry, err = telemetry.Start(ctx, base.Telemetry.started(), resource, logOut); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	p.Log = p.Telemetry.Log()
	if err := p.open(ctx, base); err != nil {
		return nil, err
	}
	if i.domain, err = s.Build(ctx, cfg, p); err != nil {
		return nil, err
	}
	if err := p.openRewrap(i.domain.Values, i.domain.Transient); err != nil {
		return nil, err
	}
	deps, err := i.dependencies()
	if err != nil {
		return nil, err
	}
	if i.server, err = server.New(base.Config, deps); err != nil {
		return nil, err
	}
	if i.metrics, err = p.openMetrics(base); err != nil {
		return nil, err
	}
	return i, nil
}

// started is the telemetry's own configuration.
func (c TelemetryConfig) started() telemetry.Config {
	t := c.Config
	t.Pull = c.Prometheus.Address != ""
	if c.OTLPAuthorization.IsSet() {
		t.OTLP.Authorization = c.OTLPAuthorization.ReadText
	}
	return t
}

// Run serves until ctx ends or somebody asks for the end, drains, and closes everything. onReady is called once the listeners accept.
func (i *Instance) Run(ctx context.Context, onReady func(*Instance)) error {
	// What the requests stand on goes on until the last of them is answered.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group sync.WaitGroup
	p := i.platform
	for _, task := range append(p.tasks(), i.domain.Tasks...) {
		group.Go(func() { task(background) })
	}
	if i.metrics != nil {
		group.Go(func() { i.metrics.run(background) })
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

// URL is where programs reach the service, with the real port.
func (i *Instance) URL() string { return i.server.PublicURL() }

// MTLSURL is where programs with client certificates reach it; empty when nowhere.
func (i *Instance) MTLSURL() string { return i.server.MTLSURL() }

// AdminURL is where the machine's operator reaches it.
func (i *Instance) AdminURL() string { return i.server.AdminURL() }

// MetricsURL is where metrics are pulled from; empty when nowhere.
func (i *Instance) MetricsURL() string {
	if i.metrics == nil {
		return ""
	}
	return "https://" + i.metrics.listener.Addr().String() + "/metrics"
}

// RootFile is the root certificate that clients trust.
func (i *Instance) RootFile() string { return i.platform.tls.public.RootFile() }

// AdminRootFile is the root certificate by which the admin listener is known.
func (i *Instance) AdminRootFile() string { return i.platform.tls.admin.RootFile() }

func (i *Instance) close() error {
	var err error
	if i.domain.Close != nil {
		err = i.domain.Close()
	}
	return errors.Join(err, i.platform.close())
}
