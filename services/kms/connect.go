package kms

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	kmscli "github.com/cryptoutil/cryptoutil/services/kms/internal/cli"
)

// ClientCommands are the commands that talk to a KMS as its callers do, such as key, encrypt and sign. They find it by the context file. path
// is what stands before them on the command line.
func ClientCommands(path string) []*cobra.Command {
	commands := kmscli.Commands(connect, administer)
	for _, command := range commands {
		place(command, path)
	}
	return commands
}

// place gives --context to every command that runs, and has its texts name it as users of path do.
func place(command *cobra.Command, path string) {
	command.Long = strings.ReplaceAll(command.Long, serviceName+" ", path+" ")
	command.Example = strings.ReplaceAll(command.Example, serviceName+" ", path+" ")
	if command.RunE != nil {
		cli.AddContextFlag(command)
	}
	for _, child := range command.Commands() {
		place(child, path)
	}
}

// patience is how long a command waits for a service that asks to come back later: somebody waits at the keyboard, and a service that is sealed
// stays so until an operator comes.
const patience = 2 * time.Second

// connect opens a client of the KMS that the context file names, with the credential for everyday use.
func connect(command *cobra.Command) (*client.KMS, error) {
	c, endpoint, err := target(command)
	if err != nil {
		return nil, err
	}
	return everyday(c, endpoint)
}

// administer opens a client for what demands a fresh authentication: with the client certificate, which is one each time, if the context file
// has one; otherwise as connect does, and the service says what is missing.
func administer(command *cobra.Command) (*client.KMS, error) {
	c, endpoint, err := target(command)
	if err != nil {
		return nil, err
	}
	if !endpoint.HasCertificate() {
		return everyday(c, endpoint)
	}
	pair, err := endpoint.ReadCertificate()
	if err != nil {
		return nil, err
	}
	c.URL, c.Certificate = endpoint.MTLSURL, &pair
	return client.New(c)
}

func everyday(c client.Config, endpoint cli.Endpoint) (_ *client.KMS, err error) {
	c.URL = endpoint.URL
	if c.Token, err = endpoint.ReadCredential(); err != nil {
		return nil, fmt.Errorf("%w; the context file must name a file that holds your credential and that you alone can read", err)
	}
	return client.New(c)
}

// target is the service that the context file names, and what every client of it has.
func target(command *cobra.Command) (client.Config, cli.Endpoint, error) {
	file, err := command.Flags().GetString("context")
	if err != nil {
		return client.Config{}, cli.Endpoint{}, err
	}
	place, err := cli.LoadContext(file)
	if err != nil {
		return client.Config{}, cli.Endpoint{}, err
	}
	endpoint, err := place.Service(Product)
	if err != nil {
		return client.Config{}, cli.Endpoint{}, err
	}
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	if err != nil {
		return client.Config{}, cli.Endpoint{}, fmt.Errorf(
			"%w; the context file must name the root certificate that the service wrote when it first started", err)
	}
	return client.Config{Roots: roots, MaxWait: patience}, endpoint, nil
}
