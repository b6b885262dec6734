package cryptoutil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/ca"
	"github.com/cryptoutil/cryptoutil/services/jose"
	"github.com/cryptoutil/cryptoutil/services/kms"
)

// member is a service of the suite in development mode.
type member struct {
	product, title string
	description    service.Description
	// load reads the configuration and returns its common part, and how the service is opened with it.
	load func(config.Source) (*service.Config, opener, error)

	files    service.Files
	open     opener
	instance *service.Instance
}

// opener opens a service.
type opener func(ctx context.Context, logOut io.Writer) (*service.Instance, error)

// members are the services that development mode starts.
func members() []*member {
	return []*member{memberOf("KMS", kms.Service()), memberOf("JOSE", jose.Service()), memberOf("CA", ca.Service())}
}

func memberOf[C any](title string, s service.Service[C]) *member {
	return &member{
		product: s.Product, title: title, description: s.Description,
		load: func(src config.Source) (*service.Config, opener, error) {
			cfg, err := s.Load(src, true)
			if err != nil {
				return nil, nil, err
			}
			return service.Common(&cfg), func(ctx context.Context, logOut io.Writer) (*service.Instance, error) {
				return s.Open(ctx, cfg, true, logOut)
			}, nil
		},
	}
}

// prepare makes what the data directory lacks of the service and reads its configuration. It tells whether the directory was complete.
func (m *member) prepare(dir string, overrides map[string]string) (existed bool, err error) {
	setup := service.Setup{Service: m.description, Dir: dir, UnsealMode: unseal.Dev, Operator: service.FirstOperator}
	if m.files, existed, err = setup.Prepare(); err != nil {
		return false, err
	}
	cfg, open, err := m.load(config.Source{File: m.files.Config, Overrides: overrides})
	if err != nil {
		return false, err
	}
	m.open = open
	return existed, localOnly(m.product, cfg)
}

// localOnly holds development mode to this machine, whatever somebody has written into its configuration.
func localOnly(product string, cfg *service.Config) error {
	instead := fmt.Sprintf("see `cryptoutil %s init` for a real deployment", product)
	host, _, err := net.SplitHostPort(cfg.Public.Address)
	if err != nil {
		return fmt.Errorf("public.address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("public.address is %s: dev listens on loopback only; %s", cfg.Public.Address, instead)
	}
	if cfg.Database.Engine != database.EngineSQLite {
		return fmt.Errorf("database.engine is %s: dev keeps its data in a SQLite file; %s", cfg.Database.Engine, instead)
	}
	return nil
}

// endpoint is the service's place in the context file.
func (m *member) endpoint() (cli.Endpoint, error) {
	public, err := localhost(m.instance.URL())
	if err != nil {
		return cli.Endpoint{}, err
	}
	mutual, err := localhost(m.instance.MTLSURL())
	if err != nil {
		return cli.Endpoint{}, err
	}
	return m.files.Endpoint(public, mutual, m.instance.AdminURL()), nil
}

// serve opens all services and runs them until ctx ends or one of them does: a shutdown of one is that of the suite. ready is called once
// all of them are; an error of it ends them too.
func serve(ctx context.Context, all []*member, logOut io.Writer, ready func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := &sharedWriter{w: logOut}
	for i, m := range all {
		var err error
		if m.instance, err = m.open(ctx, log); err != nil {
			return errors.Join(err, closeAll(ctx, all[:i]))
		}
	}
	ends, up := make(chan error, len(all)), make(chan struct{}, len(all))
	for _, m := range all {
		go func() {
			err := m.instance.Run(ctx, func(*service.Instance) { up <- struct{}{} })
			cancel(nil)
			ends <- err
		}()
	}
	var errs []error
	for started, ended := 0, 0; ended < len(all); {
		select {
		case <-up:
			if started++; started == len(all) {
				if err := ready(); err != nil {
					errs = append(errs, err)
					cancel(nil)
				}
			}
		case err := <-ends:
			ended++
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// closeAll ends services that were opened and will not run: one that runs in a context that has ended stops at once.
func closeAll(ctx context.Context, opened []*member) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	var errs []error
	for _, m := range opened {
		errs = append(errs, m.instance.Run(ctx, func(*service.Instance) {}))
	}
	return errors.Join(errs...)
}

// sharedWriter lets several services log to one place.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// Write implements io.Writer.
func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
