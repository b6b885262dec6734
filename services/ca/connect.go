package ca

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
	cacli "github.com/cryptoutil/cryptoutil/services/ca/internal/cli"
)

// ClientCommands are the commands that talk to a certification authority as its callers do, such as issuer, issue and show. They find it by the context file. path
// is what stands before them on the command line.
func ClientCommands(path string) []*cobra.Command {
	commands := cacli.Commands(connect, administer)
	clientcli.Place(commands, serviceName, path)
	return commands
}

// connect opens a client of the certification authority that the context file names, with the credential for everyday use.
func connect(command *cobra.Command) (*client.Authority, error) {
	config, err := clientcli.Everyday(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}

// administer opens a client for what demands a fresh authentication.
func administer(command *cobra.Command) (*client.Authority, error) {
	config, err := clientcli.Administer(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}
