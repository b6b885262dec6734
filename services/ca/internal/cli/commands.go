// Package cli holds the client commands of the certification authority, such as issuer, issue and show. Its entry is [Commands]. Whoever wires a
// program decides how a command reaches the service, normally through the context file.
package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

// Connect returns a client of the service that the command's flags and environment name. Its errors say what to do about them.
type Connect func(*cobra.Command) (*client.Authority, error)

// commands builds the commands and holds what they depend on.
type commands struct {
	connect    Connect
	administer Connect
	terminal   clientcli.Terminal
}

// Commands returns the client commands, to be added below a product's command. connect serves everyday use, and administer what demands a fresh
// authentication. Their examples are those of the binary ca-server.
func Commands(connect, administer Connect) []*cobra.Command {
	c := &commands{connect: connect, administer: administer, terminal: clientcli.IsTerminal}
	return []*cobra.Command{c.issuer(), c.issue(), c.renew(), c.revoke(), c.release(), c.crl(), c.list(), c.show(), c.profile(), c.acme()}
}

// call runs f with a client for everyday use and adds to its error what the user can do.
func (c *commands) call(cmd *cobra.Command, f func(*client.Authority) error) error {
	return with(c.connect, cmd, f)
}

// callFresh is call for what demands a fresh authentication.
func (c *commands) callFresh(cmd *cobra.Command, f func(*client.Authority) error) error {
	return with(c.administer, cmd, f)
}

func with(connect Connect, cmd *cobra.Command, f func(*client.Authority) error) error {
	ca, err := connect(cmd)
	if err != nil {
		return err
	}
	defer ca.Close()
	return clientcli.Explain(f(ca), advice())
}

// given is a pointer to a value that was given; nil for the zero value.
func given[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// of is a value that may be absent.
func of[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}

// advice is what helps with a problem, by its code, which says by itself what happened.
func advice() map[string]string {
	const scopes = "an operator gives your credential the scope: `role create` and `binding create`, or `grant create` for one profile"
	return map[string]string{
		"unauthenticated":     "the credential was refused: check the one that the context file names for ca",
		"insufficient_scope":  scopes,
		"forbidden":           scopes,
		"not_found":           "`issuer list` shows the CAs of your tenant, `list` its certificates, `profile list` the profiles",
		"conflict":            "choose another name; a CA gets a new key with `issuer rollover`",
		"no_ca":               "`issuer create` makes one; `issuer list` shows those that there are",
		"wrong_profile":       "`profile list` shows what profiles are for, `issuer get` by which ones a CA issues",
		"profile_refused":     "`profile get` shows what the profile takes",
		"rules_violated":      "ask for something that the rules allow: the text names each of them",
		"bad_csr":             "make another request: `issue` makes one by itself where none is given",
		"bad_public_key":      "make another key: `issue` makes one by itself where none is given",
		"invalid_certificate": "one file in PEM with the CA's certificate first, each followed by the one that certifies it",
		"ca_offline":          "sign where the key is, and bring the result with `issuer install`",
		"invalid_state":       "`issuer get` and `show` say in which state it is",
		"feature_disabled":    "whoever runs the service turns it on: docs/configuration/ca.md has the keys",
		"bad_reason":          "`revoke --help` names the reasons; a CA of the family br takes fewer",
		"not_validated":       "clients prove the names of public certificates by ACME",
		"approval_required":   "the profile wants others to agree first",
	}
}
