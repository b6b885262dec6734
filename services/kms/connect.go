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

// ClientCommands are the commands that talk to a KMS: key, encrypt, decrypt, sign, verify and self. They find it by the context file. path
// is what stands before them on the command line.
func ClientCommands(path string) []*cobra.Command {
	commands := kmscli.Commands(connect)
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

// connect opens a client of the KMS that the context file names.
func connect(command *cobra.Command) (*client.KMS, error) {
	file, err := command.Flags().GetString("context")
	if err != nil {
		return nil, err
	}
	place, err := cli.LoadContext(file)
	if err != nil {
		return nil, err
	}
	endpoint, err := place.Service(Product)
	if err != nil {
		return nil, err
	}
	token, err := endpoint.ReadCredential()
	if err != nil {
		return nil, fmt.Errorf("%w; the context file must name a file that holds your credential and that you alone can read", err)
	}
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	if err != nil {
		return nil, fmt.Errorf("%w; the context file must name the root certificate that the service wrote when it first started", err)
	}
	return client.New(client.Config{URL: endpoint.URL, Roots: roots, Token: token, MaxWait: patience})
}
