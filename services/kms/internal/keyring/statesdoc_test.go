package keyring_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// rows are a table of transitions as docs/kms-states.md has it.
func rows[S ~string](transitions []keyring.Transition[S]) (table []string) {
	for _, t := range transitions {
		var from []string
		for _, s := range t.From {
			from = append(from, fmt.Sprintf("%#q", string(s)))
		}
		table = append(table, fmt.Sprintf("| %#q | %s | %#q |", t.Action, strings.Join(from, ", "), string(t.To)))
	}
	return table
}

// documentedRows are the rows of the table under a heading.
func documentedRows(t *testing.T, heading string) (table []string) {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/kms-states.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, line := range strings.Split(section, "\n") {
		if strings.HasPrefix(line, "| `") {
			cells := strings.SplitN(line, " | ", 4) // what follows the states is for people
			table = append(table, strings.Join(cells[:3], " | ")+" |")
		}
	}
	return table
}

func TestTransitions_AreWhatTheManualSays(t *testing.T) {
	t.Parallel()
	assert.Equal(t, rows(keyring.ElasticTransitions()), documentedRows(t, "Elastic keys"))
	assert.Equal(t, rows(keyring.VersionTransitions()), documentedRows(t, "Versions"))
}
