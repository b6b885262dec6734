// Package jose is the JWK Authority: a service for applications that sign, encrypt and issue tokens without holding keys.
//
// Main is the program; Service and ClientCommands are its parts for a suite of several services.
package jose

import (
	"context"
	_ "embed"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/admincli"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/sqlstore"
)

// Product is the service's name in command lines and context files.
const Product = "jose"

// serviceName is the service's name in logs, traces and the database's list of connections.
const serviceName = "jose-server"

// Addresses that the service listens on unless it is told otherwise.
const (
	defaultPublic = "127.0.0.1:9443"
	defaultMTLS   = "127.0.0.1:9449"
	defaultAdmin  = "127.0.0.1:9093"
)

// document is the service's OpenAPI document.
//
//go:embed api/openapi.yaml
var document []byte

// Main runs the command line of jose-server and returns its exit code.
func Main(args []string) int {
	s := Service()
	root := cli.Root(s.Program(), Commands(serviceName)...)
	root.SetArgs(args)
	return cli.Main(context.Background(), root)
}

// Commands are the service's own commands beside those of its program: client commands, administration and set-up. path is what stands before
// them on the command line.
func Commands(path string) []*cobra.Command {
	administration := admincli.Commands(admincli.Config{Product: Product, Path: path, Kind: authority.ObjectKey})
	return append(ClientCommands(path), service.Merge(administration, Service().SetupCommands(path))...)
}

// Service is the JWK Authority.
func Service() service.Service[Config] { return timed(nil) }

// timed is Service with another clock for keys and tokens; nil for the platform's.
func timed(now func() time.Time) service.Service[Config] {
	return service.Service[Config]{
		Description: service.Description{
			Product: Product, Name: serviceName,
			Summary: "JWK Authority: signs, encrypts and issues tokens for applications that hold no keys",
			Public:  defaultPublic, Admin: defaultAdmin, MTLS: defaultMTLS,
			Document: document, Codes: httpapi.Codes(), Migrations: sqlstore.Migrations,
			Scopes: authority.Scopes(), Operate: []string{authority.OpCreate.Scope(), authority.OpCertify.Scope()}, Use: []string{
				authority.OpSign.Scope(), authority.OpVerify.Scope(), authority.OpEncrypt.Scope(), authority.OpDecrypt.Scope(), authority.OpIssue.Scope(),
			},
		},
		Defaults: Defaults,
		Build: func(_ context.Context, cfg Config, p *service.Platform) (service.Domain, error) {
			if now == nil {
				return build(cfg, p, p.Now)
			}
			return build(cfg, p, now)
		},
	}
}
