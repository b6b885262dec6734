package cli

import "github.com/spf13/cobra"

// CommandsOn is Commands where isTerminal says what is a terminal.
func CommandsOn(connect, administer Connect, isTerminal func(stream any) bool) []*cobra.Command {
	return commandsWith(connect, administer, isTerminal)
}
