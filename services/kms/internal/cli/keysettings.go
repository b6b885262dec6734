package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// addSettings adds the flags for what a key says of itself and "key update" can change.
func addSettings(cmd *cobra.Command) *clientcli.Settings {
	s := new(clientcli.Settings)
	flags := cmd.Flags()
	list := func(flag, member, usage string) {
		value := flags.StringSlice(flag, nil, usage)
		s.Add(clientcli.Setting{Flag: flag, Object: "policy", Member: member, Value: func() (any, error) { return listOrNone(*value), nil }})
	}
	number := func(flag, member, usage string) {
		value := flags.Int64(flag, 0, usage)
		s.Add(clientcli.Setting{Flag: flag, Object: "rotation", Member: member, Value: func() (any, error) { return countOrNone(flag, *value) }})
	}
	duration := func(flag, member, usage string) {
		value := flags.String(flag, "", usage)
		s.Add(clientcli.Setting{Flag: flag, Object: "rotation", Member: member, Value: func() (any, error) { return secondsOrNone(flag, *value) }})
	}
	s.Text(cmd, "description", "description", "what the key is for")
	s.Choice(cmd, "published", "published", "public parts are in the tenant's JWK Set")
	s.Choice(cmd, "versioning-allowed", "versioning_allowed", "the key gets further versions (default true)")
	s.Choice(cmd, "import-allowed", "import_allowed", "versions may be imported (default true)")
	list("operations", "operations", "the operations that may use the key, such as encrypt,decrypt (default all)")
	list("clients", "clients", "ids of the callers who may use the key (default all)")
	list("roles", "roles", "roles whose holders may use the key (default all)")
	duration("rotate-every", "every_seconds", "rotate at this age of the primary version, such as 90d or 12h; 0 for never")
	number("rotate-uses", "uses", "rotate after so many uses; 0 for never")
	number("rotate-bytes", "bytes", "rotate after so many bytes; 0 for never")
	duration("notify-before", "notify_before_seconds", "announce a rotation by age so long before, such as 7d; 0 for not")
	addQuorum(cmd, s)
	return s
}

// addQuorum adds the two flags of one member.
func addQuorum(cmd *cobra.Command, s *clientcli.Settings) {
	const flag, approversFlag = "quorum", "approvers"
	approvals := cmd.Flags().Int64(flag, 0, "how many of --approvers must approve early destruction and export; 0 for no quorum")
	approvers := cmd.Flags().StringSlice(approversFlag, nil, "ids of the people who may approve")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed(approversFlag) && !cmd.Flags().Changed(flag) {
			return cli.Usage("--%s goes with --%s", approversFlag, flag)
		}
		return nil
	}
	s.Add(clientcli.Setting{Flag: flag, Object: "policy", Member: "quorum", Value: func() (any, error) {
		if *approvals == 0 {
			return nil, nil //nolint:nilnil // null takes the quorum away (RFC 7396)
		}
		if *approvals < 0 {
			return nil, cli.Usage("--%s must be 0 or more", flag)
		}
		if !cmd.Flags().Changed(approversFlag) {
			return nil, cli.Usage("--%s goes with --%s", flag, approversFlag)
		}
		return map[string]any{"approvals": *approvals, "approvers": listOrNone(*approvers)}, nil
	}})
}

// listOrNone is a list without empty items, nil if that leaves none.
func listOrNone(list []string) any {
	if kept := clientcli.Items(list); len(kept) > 0 {
		return kept
	}
	return nil
}

// countOrNone is a number, nil for 0.
func countOrNone(flag string, n int64) (any, error) {
	switch {
	case n < 0:
		return nil, cli.Usage("--%s must be 0 or more", flag)
	case n == 0:
		return nil, nil //nolint:nilnil // null takes the member away (RFC 7396)
	default:
		return n, nil
	}
}

// secondsOrNone is a duration in seconds, nil for 0.
func secondsOrNone(flag, text string) (any, error) {
	seconds, err := clientcli.Seconds(flag, text)
	if err != nil {
		return nil, err
	}
	return countOrNone(flag, seconds)
}

// parsePairs reads NAME=VALUE texts of a flag, or what else gives them.
func parsePairs(what string, texts []string) (map[string]string, error) {
	pairs := make(map[string]string, len(texts))
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, cli.Usage("%s %q is not NAME=VALUE", what, text)
		}
		if _, twice := pairs[name]; twice {
			return nil, cli.Usage("%s %q is given twice", what, name)
		}
		pairs[name] = value
	}
	return pairs, nil
}
