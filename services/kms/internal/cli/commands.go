// Package cli holds the client commands of the KMS, such as key, encrypt and sign. Its
// entry is [Commands]. Whoever wires a program decides how a command reaches the
// service, normally through the context file.
//
// Files are encrypted and hashed where they lie, as a stream: of a file of any size
// only a data key or a digest goes to the service (packages envelope and filesig of
// the client).
package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// Connect returns a client of the service that the command's flags and environment
// name. Its errors say what to do about them.
type Connect func(*cobra.Command) (*client.KMS, error)

// commands builds the commands and holds what they depend on.
type commands struct {
	connect    Connect
	administer Connect
	terminal   clientcli.Terminal
}

// Commands returns the client commands, to be added below a product's command. connect serves everyday use, and administer what demands a
// fresh authentication. Their examples are those of the binary kms-server.
func Commands(connect, administer Connect) []*cobra.Command {
	return commandsWith(connect, administer, clientcli.IsTerminal)
}

func commandsWith(connect, administer Connect, terminal clientcli.Terminal) []*cobra.Command {
	c := &commands{connect: connect, administer: administer, terminal: terminal}
	return []*cobra.Command{
		c.key(), c.encrypt(), c.decrypt(), c.reencrypt(), c.sign(), c.verify(), c.mac(), c.verifyMac(), c.generateDataKey(), c.generate(), c.wrap(), c.unwrap(),
		c.derive(), c.encapsulate(), c.decapsulate(), c.generateRandom(), c.batch(), c.importing(), c.recipient(), c.attestation(), c.backup(),
		c.approval(), c.jwks(), c.report(), c.self(),
	}
}

// call runs f with a client for everyday use and adds to its error what the user can do.
func (c *commands) call(cmd *cobra.Command, f func(*client.KMS) error) error {
	return with(c.connect, cmd, f)
}

// callFresh is call for what demands a fresh authentication.
func (c *commands) callFresh(cmd *cobra.Command, f func(*client.KMS) error) error {
	return with(c.administer, cmd, f)
}

func with(connect Connect, cmd *cobra.Command, f func(*client.KMS) error) error {
	kms, err := connect(cmd)
	if err != nil {
		return err
	}
	defer kms.Close()
	return clientcli.Explain(f(kms), advice())
}
