package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPasswordFile bounds what is read of a password file, in bytes. Passwords are shorter.
const maxPasswordFile = 4 << 10

// AddPasswordFlag gives a command --password-file.
func AddPasswordFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "file whose first line is the password, - is standard input; without it a terminal asks")
	_ = cmd.MarkFlagFilename("password-file") // as in AddOutputFlag
}

// ReadPassword reads a new password: the first line of a file, or of standard input for "-", or without a file twice from the terminal,
// without echo. It never comes from an argument, which others could see among the processes.
func ReadPassword(cmd *cobra.Command, file string) (string, error) {
	password, err := readPassword(cmd, file)
	if err == nil && password == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}

	return password, nil
}

func readPassword(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		return askPassword(cmd)
	}
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPasswordFile))
	} else {
		text, err = readBounded(file, maxPasswordFile)
	}
	line, _, _ := strings.Cut(string(text), "\n")

	return strings.TrimSuffix(line, "\r"), err
}

func askPassword(cmd *cobra.Command) (string, error) {
	terminal, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", Usage("no terminal to ask for the password; give it with --password-file FILE, or - for standard input")
	}
	var typed [2]string
	for i, prompt := range []string{"New password: ", "The same again: "} {
		cmd.PrintErr(prompt)
		text, err := term.ReadPassword(int(terminal.Fd()))
		cmd.PrintErrln()
		if err != nil {
			return "", err
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two are not the same; nothing was changed")
	}

	return typed[0], nil
}
