// Package clientcli is what the client commands of services share: how they find their service ([Everyday], [Administer]), what they read
// ([OpenSource]), where they write ([Terminal.Produce]), and what they add to an error that the user can do something about ([Explain]).
//
// The commands themselves belong to the services, each of which has a package internal/cli.
package clientcli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// Place has client commands stand below path ("cryptoutil kms"): every one that runs gets --context, and texts that name the service's own
// binary name path instead.
func Place(commands []*cobra.Command, binary, path string) {
	for _, command := range commands {
		command.Long = strings.ReplaceAll(command.Long, binary+" ", path+" ")
		command.Example = strings.ReplaceAll(command.Example, binary+" ", path+" ")
		if command.RunE != nil {
			cli.AddContextFlag(command)
		}
		Place(command.Commands(), binary, path)
	}
}

// patience is how long a command waits for a service that asks to come back later: somebody waits at the keyboard, and a service that is sealed
// stays so until an operator comes.
const patience = 2 * time.Second

// Everyday is how a command reaches the product that its context file names, with the credential for everyday use.
func Everyday(command *cobra.Command, product string) (apiclient.Config, error) {
	config, endpoint, err := target(command, product)
	if err != nil {
		return apiclient.Config{}, err
	}
	return everyday(config, endpoint)
}

// Administer is [Everyday] for what demands a fresh authentication: with the client certificate, which is one each time, if the context file has
// one; otherwise the service says what is missing.
func Administer(command *cobra.Command, product string) (apiclient.Config, error) {
	config, endpoint, err := target(command, product)
	if err != nil {
		return apiclient.Config{}, err
	}
	if !endpoint.HasCertificate() {
		return everyday(config, endpoint)
	}
	pair, err := endpoint.ReadCertificate()
	if err != nil {
		return apiclient.Config{}, err
	}
	config.URL, config.Certificate = endpoint.MTLSURL, &pair
	return config, nil
}

func everyday(config apiclient.Config, endpoint cli.Endpoint) (_ apiclient.Config, err error) {
	config.URL = endpoint.URL
	if config.Token, err = endpoint.ReadCredential(); err != nil {
		return apiclient.Config{}, fmt.Errorf("%w; the context file must name a file that holds your credential and that you alone can read", err)
	}
	return config, nil
}

// target is the service that the context file names, and what every client of it has.
func target(command *cobra.Command, product string) (apiclient.Config, cli.Endpoint, error) {
	file, err := command.Flags().GetString("context")
	if err != nil {
		return apiclient.Config{}, cli.Endpoint{}, err
	}
	place, err := cli.LoadContext(file)
	if err != nil {
		return apiclient.Config{}, cli.Endpoint{}, err
	}
	endpoint, err := place.Service(product)
	if err != nil {
		return apiclient.Config{}, cli.Endpoint{}, err
	}
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	if err != nil {
		return apiclient.Config{}, cli.Endpoint{}, fmt.Errorf(
			"%w; the context file must name the root certificate that the service wrote when it first started", err)
	}
	return apiclient.Config{Roots: roots, MaxWait: patience}, endpoint, nil
}
