package cli

import (
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// maxAnchors bounds a file of anchors in bytes: as many as the service takes, as long as it takes them.
const maxAnchors = 8 * 16 << 10

// addTrust adds the flags for keys that tokens bring along or point to. An empty list takes one away.
func addTrust(cmd *cobra.Command, s *clientcli.Settings) {
	add := func(flag, member string, value func() (any, error)) {
		s.Add(clientcli.Setting{Flag: flag, Object: "trusted_keys", Member: member, Value: value})
	}
	list := func(flag, member, usage string) {
		value := cmd.Flags().StringSlice(flag, nil, usage)
		add(flag, member, func() (any, error) { return clientcli.Items(*value), nil })
	}
	list("trust-thumbprint", "jwk_thumbprints", "instead of --key: trust the key of this `thumbprint` in the header's jwk")
	anchors := cmd.Flags().String("trust-anchors", "", "instead of --key: `file` with the certificates in PEM that a chain in the header's x5c leads to")
	add("trust-anchors", "anchors", func() (any, error) { return readAnchors(cmd, *anchors) })
	list("trust-name", "names", "with --trust-anchors: a DNS name, URI or e-mail address of the certificate that signs (default any)")
	list("trust-jku", "jku", "instead of --key: an https `URL` of a key set that the header's jku may say")
	list("trust-x5u", "x5u", "with --trust-anchors: an https `URL` of a chain that the header's x5u may say")
}

// trustFlags are those by which a profile has keys.
func trustFlags() []string { return []string{"trust-thumbprint", "trust-anchors", "trust-jku"} }

// readAnchors reads the certificates of a file, each as PEM; none without a file.
func readAnchors(cmd *cobra.Command, path string) ([]string, error) {
	anchors := []string{}
	if path == "" {
		return anchors, nil
	}
	content, err := clientcli.ReadWhole(cmd, path, maxAnchors, "list of certificates")
	if err != nil {
		return nil, fmt.Errorf("--trust-anchors: %w", err)
	}
	for len(content) > 0 {
		block, rest := pem.Decode(content)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("--trust-anchors: %q holds a %s: leave certificates alone in it", path, strings.ToLower(block.Type))
		}
		anchors, content = append(anchors, string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))), rest
	}
	if len(anchors) == 0 {
		return nil, fmt.Errorf("--trust-anchors: %q holds no certificate in PEM", path)
	}
	return anchors, nil
}

// trustRows is what a profile trusts as a table. What it does not is left out.
func trustRows(t *client.TrustedKeys) (rows [][]string) {
	if t == nil {
		return nil
	}
	for _, one := range []struct {
		name string
		list *[]string
	}{{"Trusted in jwk", t.JWKThumbprints}, {"Trusted names", t.Names}, {"Trusted in jku", t.Jku}, {"Trusted in x5u", t.X5U}} {
		if one.list != nil {
			rows = append(rows, []string{one.name, strings.Join(*one.list, " ")})
		}
	}
	if t.Anchors != nil {
		rows = append(rows, []string{"Trusted anchors", strconv.Itoa(len(*t.Anchors)) + " (--output json shows them)"})
	}
	return rows
}
