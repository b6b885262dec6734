package clientcli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// Setting is a flag for one member of what a resource says of itself.
type Setting struct {
	Flag   string
	Object string // the object that the member is in, "" for the resource itself
	Member string
	Value  func() (any, error) // nil takes the member away (RFC 7396)
}

// Settings are the flags that both a command that creates and one that updates have.
type Settings []Setting

// Add adds a setting whose flag the caller has made.
func (s *Settings) Add(setting Setting) { *s = append(*s, setting) }

// Text adds a flag for a string.
func (s *Settings) Text(cmd *cobra.Command, flag, member, usage string) {
	value := cmd.Flags().String(flag, "", usage)
	s.Add(Setting{Flag: flag, Member: member, Value: func() (any, error) { return *value, nil }})
}

// Choice adds a flag for a boolean.
func (s *Settings) Choice(cmd *cobra.Command, flag, member, usage string) {
	value := cmd.Flags().Bool(flag, false, usage)
	s.Add(Setting{Flag: flag, Member: member, Value: func() (any, error) { return *value, nil }})
}

// Count adds a flag for a number that the resource need not have: 0 takes the member away.
func (s *Settings) Count(cmd *cobra.Command, flag, member, usage string) {
	value := cmd.Flags().Int64(flag, 0, usage)
	s.Add(Setting{Flag: flag, Member: member, Value: func() (any, error) {
		switch {
		case *value < 0:
			return nil, cli.Usage("--%s must be 0 or more", flag)
		case *value == 0:
			return nil, nil //nolint:nilnil // null takes the member away (RFC 7396)
		}
		return *value, nil
	}})
}

// Patch is a merge patch of what the command line names.
func (s *Settings) Patch(cmd *cobra.Command) (apiclient.Patch, error) {
	patch := apiclient.Patch{}
	for _, one := range *s {
		if !cmd.Flags().Changed(one.Flag) {
			continue
		}
		value, err := one.Value()
		if err != nil {
			return nil, err
		}
		if one.Object == "" {
			patch[one.Member] = value
			continue
		}
		object, _ := patch[one.Object].(map[string]any)
		if object == nil {
			object = map[string]any{}
			patch[one.Object] = object
		}
		object[one.Member] = value
	}
	return patch, nil
}

// Change is [Settings.Patch] for a command that is a mistake without any of the flags.
func (s *Settings) Change(cmd *cobra.Command) (apiclient.Patch, error) {
	patch, err := s.Patch(cmd)
	if err == nil && len(patch) == 0 {
		return nil, cli.Usage("say what to change: %s --help shows the flags", cmd.CommandPath())
	}
	return patch, err
}

// Complete adds what the command line names to the request that creates a resource.
func (s *Settings) Complete(cmd *cobra.Command, request any) error {
	patch, err := s.Patch(cmd)
	if err != nil {
		return err
	}
	text, err := json.Marshal(patch)
	if err == nil {
		err = json.Unmarshal(text, request)
	}
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

// Items is a list without empty items; it is empty rather than nil.
func Items(list []string) []string {
	kept := []string{}
	for _, item := range list {
		if item = strings.TrimSpace(item); item != "" {
			kept = append(kept, item)
		}
	}
	return kept
}

// Seconds reads a duration of a flag as whole seconds.
func Seconds(flag, text string) (int64, error) {
	d, err := ParseDays(text)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, cli.Usage("--%s %q is no duration in whole seconds: write 90d, 12h or 30m", flag, text)
	}
	return int64(d / time.Second), nil
}
