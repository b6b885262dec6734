package kms

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	kmscli "github.com/cryptoutil/cryptoutil/services/kms/internal/cli"
)

// ClientCommands are the commands that talk to a KMS as its callers do, such as key, encrypt and sign. They find it by the context file. path
// is what stands before them on the command line.
func ClientCommands(path string) []*cobra.Command {
	commands := kmscli.Commands(connect, administer)
	clientcli.Place(commands, serviceName, path)
	return commands
}

// connect opens a client of the KMS that the context file names, with the credential for everyday use.
func connect(command *cobra.Command) (*client.KMS, error) {
	config, err := clientcli.Everyday(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}

// administer opens a client for what demands a fresh authentication.
func administer(command *cobra.Command) (*client.KMS, error) {
	config, err := clientcli.Administer(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}
