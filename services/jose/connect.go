package jose

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
	josecli "github.com/cryptoutil/cryptoutil/services/jose/internal/cli"
)

// ClientCommands are the commands that talk to a JWK Authority as its callers do, such as key, jws and jwt. They find it by the context file. path
// is what stands before them on the command line.
func ClientCommands(path string) []*cobra.Command {
	commands := josecli.Commands(connect, administer)
	clientcli.Place(commands, serviceName, path)
	return commands
}

// connect opens a client of the JWK Authority that the context file names, with the credential for everyday use.
func connect(command *cobra.Command) (*client.JOSE, error) {
	config, err := clientcli.Everyday(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}

// administer opens a client for what demands a fresh authentication.
func administer(command *cobra.Command) (*client.JOSE, error) {
	config, err := clientcli.Administer(command, Product)
	if err != nil {
		return nil, err
	}
	return client.New(config)
}
