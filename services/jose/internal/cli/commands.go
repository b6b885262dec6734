// Package cli holds the client commands of the JWK Authority, such as key, jws and jwt. Its entry is [Commands]. Whoever wires a program decides
// how a command reaches the service, normally through the context file.
package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// Connect returns a client of the service that the command's flags and environment name. Its errors say what to do about them.
type Connect func(*cobra.Command) (*client.JOSE, error)

// commands builds the commands and holds what they depend on.
type commands struct {
	connect    Connect
	administer Connect
	terminal   clientcli.Terminal
}

// Commands returns the client commands, to be added below a product's command. connect serves everyday use, and administer what demands a fresh
// authentication. Their examples are those of the binary jose-server.
func Commands(connect, administer Connect) []*cobra.Command {
	return commandsWith(connect, administer, clientcli.IsTerminal)
}

func commandsWith(connect, administer Connect, terminal clientcli.Terminal) []*cobra.Command {
	c := &commands{connect: connect, administer: administer, terminal: terminal}
	return []*cobra.Command{c.key(), c.jwks(), c.jws(), c.jwe(), c.jwt(), c.sdJWT(), c.profile(), c.thumbprint()}
}

// call runs f with a client for everyday use and adds to its error what the user can do.
func (c *commands) call(cmd *cobra.Command, f func(*client.JOSE) error) error {
	return with(c.connect, cmd, f)
}

// callFresh is call for what demands a fresh authentication.
func (c *commands) callFresh(cmd *cobra.Command, f func(*client.JOSE) error) error {
	return with(c.administer, cmd, f)
}

func with(connect Connect, cmd *cobra.Command, f func(*client.JOSE) error) error {
	jose, err := connect(cmd)
	if err != nil {
		return err
	}
	defer jose.Close()
	return clientcli.Explain(f(jose), advice())
}
