package cli_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// openTerminal makes a pseudo-terminal (pty(7)): what is written to keyboard is typed on terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })

	return keyboard, terminal
}

func TestUnseal_AsksATerminalWithoutEcho(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.NoError(t, s.barrier.Seal(t.Context()))
	keyboard, terminal := openTerminal(t)
	root := cli.Root(s.cli())
	var out, errs strings.Builder
	root.SetArgs([]string{"unseal", "--config", s.config})
	root.SetIn(terminal)
	root.SetOut(&out)
	root.SetErr(&errs)
	code := make(chan int, 1)
	go func() { code <- cli.Main(t.Context(), root) }()
	require.Eventually(t, func() bool {
		mode, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)

		return err == nil && mode.Lflag&unix.ECHO == 0
	}, 10*time.Second, time.Millisecond, "the terminal shows what is typed")
	_, err := keyboard.WriteString("typed-share\n")
	require.NoError(t, err)
	assert.Equal(t, 1, <-code, "it waits for more")
	assert.Equal(t, "Unseal share: \n", errs.String())
	assert.Equal(t, []string{"typed-share"}, s.barrier.shares)

	_, err = terminal.WriteString("end\n")
	require.NoError(t, err)
	screen := bufio.NewReader(keyboard)
	for line := ""; !strings.HasPrefix(line, "end"); {
		line, err = screen.ReadString('\n')
		require.NoError(t, err)
		assert.NotContains(t, line, "share")
	}
}
