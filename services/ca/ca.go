// Package ca is the certification authority: a service that keeps hierarchies of CAs, issues X.509 certificates by profiles, and tells what became
// of them.
//
// Main is the program; Service is its part for a suite of several services.
package ca

import (
	"context"
	_ "embed"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/admincli"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
)

// Product is the service's name in command lines and context files.
const Product = "ca"

// serviceName is the service's name in logs, traces and the database's list of connections.
const serviceName = "ca-server"

// Addresses that the service listens on unless it is told otherwise.
const (
	defaultPublic = "127.0.0.1:8443"
	defaultMTLS   = "127.0.0.1:8449"
	defaultAdmin  = "127.0.0.1:9092"
)

// document is the service's OpenAPI document.
//
//go:embed api/openapi.yaml
var document []byte

// Main runs the command line of ca-server and returns its exit code.
func Main(args []string) int {
	s := Service()
	root := cli.Root(s.Program(), Commands(serviceName)...)
	root.SetArgs(args)
	return cli.Main(context.Background(), root)
}

// Commands are the service's own commands beside those of its program: client commands, administration and set-up. path is what stands before
// them on the command line.
func Commands(path string) []*cobra.Command {
	administration := admincli.Commands(admincli.Config{Product: Product, Path: path, Kind: hierarchy.ObjectCA})
	return append(ClientCommands(path), service.Merge(administration, Service().SetupCommands(path))...)
}

// Service is the certification authority.
func Service() service.Service[Config] { return timed(nil) }

// timed is Service with another clock for CAs and certificates; nil for the platform's.
func timed(now func() time.Time) service.Service[Config] {
	return service.Service[Config]{
		Description: service.Description{
			Product: Product, Name: serviceName,
			Summary: "certification authority: hierarchies, profiles, certificates and what became of them",
			Public:  defaultPublic, Admin: defaultAdmin, MTLS: defaultMTLS,
			Document: document, Codes: httpapi.Codes(), Migrations: sqlstore.Migrations,
			Scopes: access.Scopes(), Operate: []string{access.Manage.Scope(), access.Revoke.Scope()},
			Use: []string{access.Issue.Scope(), access.Read.Scope()},
		},
		Defaults: Defaults,
		Build: func(ctx context.Context, cfg Config, p *service.Platform) (service.Domain, error) {
			if now == nil {
				return build(ctx, cfg, p, p.Now)
			}
			return build(ctx, cfg, p, now)
		},
	}
}
