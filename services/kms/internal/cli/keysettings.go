package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// setting is one flag for what a key says of itself.
type setting struct {
	flag   string
	object string // the object that the member is in, "" for the key itself
	member string
	value  func() (any, error) // nil takes the member away
}

// settings are the flags for what a key says of itself and "key update" can change.
type settings []setting

func addSettings(cmd *cobra.Command) *settings {
	s := new(settings)
	flags := cmd.Flags()
	text := func(flag, member, usage string) {
		value := flags.String(flag, "", usage)
		*s = append(*s, setting{flag, "", member, func() (any, error) { return *value, nil }})
	}
	choice := func(flag, member, usage string) {
		value := flags.Bool(flag, false, usage)
		*s = append(*s, setting{flag, "", member, func() (any, error) { return *value, nil }})
	}
	list := func(flag, member, usage string) {
		value := flags.StringSlice(flag, nil, usage)
		*s = append(*s, setting{flag, "policy", member, func() (any, error) { return listOrNone(*value), nil }})
	}
	number := func(flag, member, usage string) {
		value := flags.Int64(flag, 0, usage)
		*s = append(*s, setting{flag, "rotation", member, func() (any, error) { return countOrNone(flag, *value) }})
	}
	duration := func(flag, member, usage string) {
		value := flags.String(flag, "", usage)
		*s = append(*s, setting{flag, "rotation", member, func() (any, error) { return secondsOrNone(flag, *value) }})
	}
	text("description", "description", "what the key is for")
	choice("published", "published", "public parts are in the tenant's JWK Set")
	choice("versioning-allowed", "versioning_allowed", "the key gets further versions (default true)")
	choice("import-allowed", "import_allowed", "versions may be imported (default true)")
	list("operations", "operations", "the operations that may use the key, such as encrypt,decrypt (default all)")
	list("clients", "clients", "ids of the callers who may use the key (default all)")
	list("roles", "roles", "roles whose holders may use the key (default all)")
	duration("rotate-every", "every_seconds", "rotate at this age of the primary version, such as 90d or 12h; 0 for never")
	number("rotate-uses", "uses", "rotate after so many uses; 0 for never")
	number("rotate-bytes", "bytes", "rotate after so many bytes; 0 for never")
	duration("notify-before", "notify_before_seconds", "announce a rotation by age so long before, such as 7d; 0 for not")
	s.addQuorum(cmd)
	return s
}

// addQuorum adds the two flags of one member.
func (s *settings) addQuorum(cmd *cobra.Command) {
	const flag, approversFlag = "quorum", "approvers"
	approvals := cmd.Flags().Int64(flag, 0, "how many of --approvers must approve early destruction and export; 0 for no quorum")
	approvers := cmd.Flags().StringSlice(approversFlag, nil, "ids of the people who may approve")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed(approversFlag) && !cmd.Flags().Changed(flag) {
			return usage("--%s goes with --%s", approversFlag, flag)
		}
		return nil
	}
	*s = append(*s, setting{flag, "policy", "quorum", func() (any, error) {
		if *approvals == 0 {
			return nil, nil //nolint:nilnil // null takes the quorum away (RFC 7396)
		}
		if *approvals < 0 {
			return nil, usage("--%s must be 0 or more", flag)
		}
		if !cmd.Flags().Changed(approversFlag) {
			return nil, usage("--%s goes with --%s", flag, approversFlag)
		}
		return map[string]any{"approvals": *approvals, "approvers": listOrNone(*approvers)}, nil
	}})
}

// patch is a merge patch of what the command line names.
func (s *settings) patch(cmd *cobra.Command) (client.Patch, error) {
	patch := client.Patch{}
	for _, one := range *s {
		if !cmd.Flags().Changed(one.flag) {
			continue
		}
		value, err := one.value()
		if err != nil {
			return nil, err
		}
		if one.object == "" {
			patch[one.member] = value
			continue
		}
		object, _ := patch[one.object].(map[string]any)
		if object == nil {
			object = map[string]any{}
			patch[one.object] = object
		}
		object[one.member] = value
	}
	return patch, nil
}

// complete adds what the command line names to a key that is to be made.
func (s *settings) complete(cmd *cobra.Command, spec *client.CreateElasticKey) error {
	patch, err := s.patch(cmd)
	if err != nil {
		return err
	}
	text, err := json.Marshal(patch)
	if err == nil {
		err = json.Unmarshal(text, spec)
	}
	if err != nil {
		return fmt.Errorf("settings of the key: %w", err)
	}
	return nil
}

// listOrNone is a list without empty items, nil if that leaves none.
func listOrNone(list []string) any {
	var kept []string
	for _, item := range list {
		if item = strings.TrimSpace(item); item != "" {
			kept = append(kept, item)
		}
	}
	if kept == nil {
		return nil
	}
	return kept
}

// countOrNone is a number, nil for 0.
func countOrNone(flag string, n int64) (any, error) {
	switch {
	case n < 0:
		return nil, usage("--%s must be 0 or more", flag)
	case n == 0:
		return nil, nil //nolint:nilnil // null takes the member away (RFC 7396)
	default:
		return n, nil
	}
}

// secondsOrNone is a duration in seconds, nil for 0.
func secondsOrNone(flag, text string) (any, error) {
	d, err := parseDays(text)
	if err != nil || d < 0 || d%time.Second != 0 {
		return nil, usage("--%s %q is no duration in whole seconds: write 90d, 12h or 30m", flag, text)
	}
	return countOrNone(flag, int64(d/time.Second))
}

// parseDays reads a duration as Go writes it, or whole days, such as 90d.
func parseDays(text string) (time.Duration, error) {
	const longest = 100 * 365
	if number, isDays := strings.CutSuffix(text, "d"); isDays {
		days, err := strconv.Atoi(number)
		if err != nil || days > longest || days < 0 {
			return 0, fmt.Errorf("%q is no number of days", text)
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	return time.ParseDuration(text)
}

// parsePairs reads NAME=VALUE texts of a flag, or what else gives them.
func parsePairs(what string, texts []string) (map[string]string, error) {
	pairs := make(map[string]string, len(texts))
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, usage("%s %q is not NAME=VALUE", what, text)
		}
		if _, twice := pairs[name]; twice {
			return nil, usage("%s %q is given twice", what, name)
		}
		pairs[name] = value
	}
	return pairs, nil
}
