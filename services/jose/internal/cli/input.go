package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// The longest inputs in bytes, which the service has too.
const (
	maxMessage = 256 << 10
	maxToken   = 64 << 10
	maxSDJWT   = 512 << 10
	maxClaims  = 256 << 10
)

// readText reads a file that holds a message or token, without the white space around it.
func readText(cmd *cobra.Command, path string, limit int64, what string) (string, error) {
	content, err := clientcli.ReadWhole(cmd, path, limit, what)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(content)), nil
}

// readObject reads the JSON object that the file of a flag holds, nil where the flag names none.
func readObject(cmd *cobra.Command, flag, path string) (*json.RawMessage, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	content, err := clientcli.ReadWhole(cmd, path, maxClaims, "JSON object")
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	content = bytes.TrimSpace(content)
	if !json.Valid(content) || !bytes.HasPrefix(content, []byte("{")) {
		return nil, fmt.Errorf(`--%s: the file must hold one JSON object, such as {"role":"clerk"}`, flag)
	}
	return new(json.RawMessage(content)), nil
}

// readPayload reads what is signed or encrypted, as the API carries it.
func readPayload(cmd *cobra.Command, path string) (client.Bytes, error) {
	from, err := clientcli.OpenSource(cmd, path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	content, err := clientcli.ReadInline(from, client.MaxInline,
		"more than 64 KiB: sign a digest of larger data, or encrypt it under a key of its own")
	if err != nil {
		return "", err
	}
	defer clear(content)
	return client.EncodeBytes(content), nil
}

// oneStdin refuses more than one input from standard input.
func oneStdin(paths ...string) error {
	count := 0
	for _, path := range paths {
		if path == clientcli.Stdio {
			count++
		}
	}
	if count > 1 {
		return cli.Usage("only one input can be standard input: name files for the others")
	}
	return nil
}

// standard is a path where nothing stands for standard input.
func standard(path string) string {
	if path == "" {
		return clientcli.Stdio
	}
	return path
}

// given points to a value, unless it is the zero one.
func given[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// listed is given for lists.
func listed(list []string) *[]string {
	if list = clientcli.Items(list); len(list) == 0 {
		return nil
	}
	return &list
}

// oneProfile is the argument of a command about a profile.
func oneProfile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage("name one profile, by its name or id: %s NAME|ID", cmd.CommandPath())
	}
	return nil
}
