// Package kms is the key management service: named elastic keys, each a ring of versioned material keys, behind an HTTPS API.
//
// Main is the program; Service and ClientCommands are its parts for a suite of several services.
package kms

import (
	"context"
	_ "embed"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/admincli"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// Product is the KMS's name in command lines and context files.
const Product = "kms"

// serviceName is the KMS's name in logs, traces and the database's list of connections.
const serviceName = "kms-server"

// Addresses that the KMS listens on unless it is told otherwise.
const (
	defaultPublic = "127.0.0.1:8080"
	defaultMTLS   = "127.0.0.1:8089"
	defaultAdmin  = "127.0.0.1:9090"
)

// document is the service's OpenAPI document.
//
//go:embed api/openapi.yaml
var document []byte

// Main runs the command line of kms-server and returns its exit code.
func Main(args []string) int {
	s := Service()
	root := cli.Root(s.Program(), Commands(serviceName)...)
	root.SetArgs(args)
	return cli.Main(context.Background(), root)
}

// Commands are the KMS's own commands beside those of its program: client commands, administration and set-up. path is what stands before them
// on the command line.
func Commands(path string) []*cobra.Command {
	administration := admincli.Commands(admincli.Config{Product: Product, Path: path, Kind: objectKey})
	return append(ClientCommands(path), service.Merge(administration, Service().SetupCommands(path))...)
}

// Service is the KMS.
func Service() service.Service[Config] { return Timed(nil, nil) }

// Timed is the KMS by clocks of the caller's choice: wall is the time of day, elapsed what has passed since any one moment. Nil stands for the
// platform's clock, and for the monotonic one of the process.
func Timed(wall func() time.Time, elapsed func() time.Duration) service.Service[Config] {
	by := clocks{wall: wall, elapsed: elapsed}
	return service.Service[Config]{
		Description: service.Description{
			Product: Product, Name: serviceName,
			Summary: "Key management service: keys that encrypt and sign, and never leave",
			Public:  defaultPublic, Admin: defaultAdmin, MTLS: defaultMTLS,
			Document: document, Codes: httpapi.Codes(), Migrations: sqlstore.Migrations,
			Scopes: keyring.Scopes(), Operate: []string{keyring.OpCreate.Scope()}, Use: []string{
				keyring.OpEncrypt.Scope(), keyring.OpDecrypt.Scope(), keyring.OpSign.Scope(), keyring.OpVerify.Scope(),
			},
		},
		Defaults: Defaults,
		Build: func(ctx context.Context, cfg Config, p *service.Platform) (service.Domain, error) {
			return build(ctx, cfg, p, by)
		},
	}
}
