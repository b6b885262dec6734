package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

// Program is the service for the shared command line.
func (s Service[C]) Program() cli.Program {
	return cli.Program{
		Name:    s.Name,
		Product: s.Product,
		Summary: s.Summary,
		Load: func(src config.Source) (cli.Settings, error) {
			cfg, err := s.Load(src, false)
			base := common(&cfg)
			return cli.Settings{DataDir: base.DataDir.String(), AdminAddress: base.Admin.Address, RootFile: base.rootFile()}, err
		},
		Check:   s.check,
		Start:   s.start,
		Migrate: s.migrate,
	}
}

// start serves a configuration until its end.
func (s Service[C]) start(ctx context.Context, start cli.Start) error {
	cfg, err := s.Load(start.Source, start.Dev)
	if err != nil {
		return err
	}
	instance, err := s.Open(ctx, cfg, start.Dev, start.Log)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	changed := watch(watching, start.Source.File)
	go func() {
		for {
			select {
			case <-watching.Done():
				return
			case <-start.Reload:
			case <-changed:
			}
			s.reload(instance, start)
		}
	}()
	return instance.Run(ctx, func(i *Instance) {
		start.Serving(cli.Serving{PublicURL: i.URL(), AdminURL: i.AdminURL(), RootFile: i.RootFile(), MTLSURL: i.MTLSURL()})
	})
}

// reload reads the configuration again and takes over what can change; what cannot be used is logged.
func (s Service[C]) reload(i *Instance, start cli.Start) {
	cfg, err := s.Load(start.Source, start.Dev)
	if err == nil {
		err = s.Reload(i, cfg)
	}
	if err != nil {
		i.platform.Log.Error("reload failed; what could not be taken over stays as it was", "error", err)
		return
	}
	i.platform.Log.Info("reloaded")
}

// Reload is Instance.Reload with the whole configuration, the service's own part included.
func (s Service[C]) Reload(i *Instance, cfg C) error { return i.reload(common(&cfg), &cfg) }

// check looks at what a configuration names: the realm and the secrets.
func (s Service[C]) check(_ context.Context, src config.Source) error {
	cfg, err := s.Load(src, false)
	if err != nil {
		return err
	}
	hashes, err := OpenHashes(common(&cfg))
	if err != nil {
		return err
	}
	_, err = openFileRealm(s.Description, common(&cfg), hashes, slog.New(slog.DiscardHandler))
	return err
}

// migrate brings the database's schema up to date.
func (s Service[C]) migrate(ctx context.Context, src config.Source, out io.Writer) (err error) {
	cfg, err := s.Load(src, false)
	if err != nil {
		return err
	}
	tel, err := telemetry.Start(ctx, telemetry.Config{LogLevel: "warn", LogFormat: "text"}, telemetry.Resource{Service: s.Name}, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Shutdown(ctx)) }()
	db, err := database.Open(ctx, common(&cfg).Database, database.Options{Log: tel.Log(), Application: s.Name})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	sets, err := s.Sets()
	if err != nil {
		return err
	}
	pending, err := db.Pending(ctx, sets...)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, sets...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d migrations applied; the schema is up to date\n", pending)
	return err
}
