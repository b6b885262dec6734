//go:build e2e

package cryptoutil_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// typed is a command of a page and what the page says that it writes.
type typed struct {
	page    string // its file
	line    int    // of the page
	command string
	output  string
}

// tour reads a page's blocks of type console. A command begins with "$ ", goes on in lines that begin with "> ", and is followed by its
// output.
func tour(t *testing.T, page string) (commands []typed) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", page))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	inside, output := false, false
	number := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		number++
		line := lines.Text()
		command, isCommand := strings.CutPrefix(line, "$ ")
		more, isMore := strings.CutPrefix(line, "> ")
		switch {
		case !inside:
			inside = line == "```console"
		case line == "```":
			inside, output = false, false
		case isCommand:
			commands = append(commands, typed{page: page, line: number, command: command})
			output = true
		default:
			require.True(t, output, "%s:%d: output without a command", page, number)
			last := &commands[len(commands)-1]
			if isMore && last.output == "" {
				last.command += "\n" + more
			} else {
				last.output += line + "\n"
			}
		}
	}
	require.False(t, inside, "%s: a block has no end", page)
	return commands
}

// varying is what differs from run to run, and its name in the comparison.
var varying = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`eyJ[\w-]+(\.[\w-]*){2,4}`), "JOSE"},
	{regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`), "$1:PORT"},
	{regexp.MustCompile(`/\S*/\.local/share/cryptoutil`), "DATA"},
	{regexp.MustCompile(`(?m)^(Version|Commit|Built|Go|Platform|FIPS module|FIPS build) +\S.*$`), "$1 SOMETHING"},
	{regexp.MustCompile(`  +`), "  "},       // columns are as wide as what is in them
	{regexp.MustCompile(`(?m)[ \n]+$`), ""}, // the end of a line, and of the output
}

func normalized(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return text
}

func TestTour_ComesOutAsTheREADMESays(t *testing.T) {
	t.Parallel()
	commands := tour(t, "README.md")
	require.Greater(t, len(commands), 20)
	require.Equal(t, "cryptoutil dev", commands[0].command)

	home := t.TempDir()
	i := devAtHome(t, home)
	assert.Equal(t, normalized(commands[0].output), normalized(i.stdout.String()))
	i.retype(t, home, commands[1:])
}

func TestTour_ComesOutAsTheGuideToKeysSays(t *testing.T) {
	t.Parallel()
	commands := tour(t, "docs/operations/keys.md")
	require.Greater(t, len(commands), 40)
	home := t.TempDir()
	dev(t, filepath.Join(home, "spare"))
	devAtHome(t, home).retype(t, home, commands)
}

func TestTour_ComesOutAsTheGuideToTokensSays(t *testing.T) {
	t.Parallel()
	commands := tour(t, "docs/operations/tokens.md")
	require.Greater(t, len(commands), 20)
	home := t.TempDir()
	devAtHome(t, home).retype(t, home, commands)
}

func TestTour_ComesOutAsTheGuideToCertificatesSays(t *testing.T) {
	t.Parallel()
	commands := tour(t, "docs/operations/certificates.md")
	require.Greater(t, len(commands), 15)
	home := t.TempDir()
	devAtHome(t, home).retype(t, home, commands)
}

// devAtHome starts `cryptoutil dev` where it keeps its data of itself.
func devAtHome(t *testing.T, home string) *installation {
	t.Helper()
	p := launch(t, call{path: program(t, suite), args: []string{"dev", "--ephemeral-ports"}, env: environment(home)})
	return started(t, p, filepath.Join(home, ".local", "share", "cryptoutil"), "keys survive.\n", devWords)
}

// retype types commands into one shell, which says after each what its status was, without changing it for the next, and compares what comes out
// with what the page says.
func (i *installation) retype(t *testing.T, home string, commands []typed) {
	t.Helper()
	bash := testkit.RequireTool(t, "bash")
	for _, tool := range []string{"curl", "openssl"} {
		testkit.RequireTool(t, tool)
	}
	const mark = "=== status "
	script := "exec 2>&1\n"
	addresses := strings.NewReplacer("https://localhost:8080", i.public, "https://localhost:9443", i.joseURL(t), "https://localhost:8443", i.caURL(t))
	for _, c := range commands {
		script += addresses.Replace(c.command) +
			"\nstatus=$?; printf '\\n" + mark + "%d\\n' $status; (exit $status)\n"
	}
	got := call{path: bash, args: []string{"--noprofile", "--norc", "-c", script}, env: environment(home), dir: home}.run(t)
	require.Empty(t, got.stderr)
	rest := got.stdout
	for n, c := range commands {
		output, after, found := strings.Cut(rest, "\n"+mark)
		require.True(t, found, "%s:%d: %s: %s", c.page, c.line, c.command, rest)
		text, rest2, _ := strings.Cut(after, "\n")
		rest = rest2
		assert.Equal(t, normalized(c.output), normalized(output), "%s:%d: %s", c.page, c.line, c.command)
		status, err := strconv.Atoi(text)
		require.NoError(t, err)
		if n+1 == len(commands) || commands[n+1].command != "echo $?" {
			assert.Zero(t, status, "%s:%d: %s: %s", c.page, c.line, c.command, output)
		}
	}
	assert.Empty(t, rest)
}
