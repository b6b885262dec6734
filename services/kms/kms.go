// Package kms is the key management service: named elastic keys, each a ring of versioned material keys, behind an HTTPS API.
//
// Main is the program; Program and ClientCommands are its parts for a suite of several services; Build and Instance are the service itself.
package kms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

// Product is the KMS's name in command lines and context files.
const Product = "kms"

// Main runs the command line of kms-server and returns its exit code.
func Main(args []string) int {
	root := cli.Root(Program(), append(ClientCommands(serviceName), SetupCommands(serviceName)...)...)
	root.SetArgs(args)
	return cli.Main(context.Background(), root)
}

// Program is the KMS for the shared command line.
func Program() cli.Program {
	return cli.Program{
		Name:    serviceName,
		Product: Product,
		Summary: "Key management service: keys that encrypt and sign, and never leave",
		Load: func(src config.Source) (cli.Settings, error) {
			cfg, err := Load(src, false)
			return settings(cfg), err
		},
		Check:   check,
		Start:   start,
		Migrate: migrate,
	}
}

func settings(cfg Config) cli.Settings {
	return cli.Settings{DataDir: cfg.DataDir.String(), AdminAddress: cfg.Admin.Address, RootFile: cfg.rootFile()}
}

// start serves a configuration until its end.
func start(ctx context.Context, s cli.Start) error {
	cfg, err := Load(s.Source, s.Dev)
	if err != nil {
		return err
	}
	instance, err := Build(ctx, cfg, s.Dev, s.Log)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-s.Reload:
				instance.reload(s)
			}
		}
	}()
	return instance.Run(ctx, func(k *Instance) {
		s.Serving(cli.Serving{PublicURL: k.URL(), AdminURL: k.AdminURL(), RootFile: k.RootFile()})
	})
}

// reload reads the configuration again and takes over what can change; what cannot be used is logged.
func (k *Instance) reload(s cli.Start) {
	cfg, err := Load(s.Source, s.Dev)
	if err == nil {
		err = k.Reload(cfg)
	}
	if err != nil {
		k.telemetry.Log().Error("reload failed; what could not be taken over stays as it was", "error", err)
		return
	}
	k.telemetry.Log().Info("reloaded")
}

// check looks at what a configuration names: the realm and the secrets.
func check(_ context.Context, src config.Source) error {
	cfg, err := Load(src, false)
	if err != nil {
		return err
	}
	_, err = openRealm(cfg, slog.New(slog.DiscardHandler))
	return err
}

// migrate brings the database's schema up to date.
func migrate(ctx context.Context, src config.Source, out io.Writer) (err error) {
	cfg, err := Load(src, false)
	if err != nil {
		return err
	}
	tel, err := telemetry.Start(ctx, telemetry.Config{LogLevel: "warn", LogFormat: "text"}, telemetry.Resource{Service: serviceName}, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Shutdown(ctx)) }()
	db, err := database.Open(ctx, cfg.Database, database.Options{Log: tel.Log(), Application: serviceName})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	sets, err := migrations()
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

// commandTree puts commands below a parent.
func commandTree(parent *cobra.Command, children ...*cobra.Command) *cobra.Command {
	parent.AddCommand(children...)
	return parent
}
