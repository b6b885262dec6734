package cli

import (
	"bytes"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// CommandsOn is Commands where isTerminal says what is a terminal.
func CommandsOn(connect, administer Connect, isTerminal func(stream any) bool) []*cobra.Command {
	return commandsWith(connect, administer, isTerminal)
}

// Progress reads source to its end and returns what a terminal saw meanwhile.
func Progress(source io.Reader, size int64, verb string) string {
	var screen bytes.Buffer
	p := &progress{source: source, screen: &screen, verb: verb, size: size, started: time.Now()}
	_, _ = io.Copy(io.Discard, p)
	p.end()
	return screen.String()
}
