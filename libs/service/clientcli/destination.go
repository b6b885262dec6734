package clientcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// ErrBinary is why a terminal gets no binary output: its control characters would be
// obeyed.
var ErrBinary = errors.New("the result is binary and standard output is a terminal: name a file with --out, or force it with --out -")

// Terminal says whether a stream is a terminal. [IsTerminal] is the one to use outside of tests.
type Terminal func(stream any) bool

// IsTerminal says whether a reader or writer is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Destination is where the result of a command goes. A file appears under its name
// only when the command succeeded: until then it is written beside it.
type Destination struct {
	io.Writer
	file     *os.File // nil for standard output
	target   string   // what file becomes on commit, "" if it is written in place
	textOnly bool
}

// create opens the file of --out: "" is standard output, which refuses binary text
// if it is a terminal, and "-" is standard output whatever it is.
func (t Terminal) create(cmd *cobra.Command, path string) (*Destination, error) {
	switch path {
	case Stdio:
		return &Destination{Writer: cmd.OutOrStdout()}, nil
	case "":
		if out := cmd.OutOrStdout(); t(out) {
			return &Destination{Writer: textWriter{out}, textOnly: true}, nil
		}
		return &Destination{Writer: cmd.OutOrStdout()}, nil
	}

	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // what a link points to is replaced, not the link
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("--out %q is a directory", path)
	}
	if err == nil && !info.Mode().IsRegular() { // a pipe or device takes no other file's place
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &Destination{Writer: file, file: file}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part") // mode 0600
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--out: the folder %q does not exist", filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	return &Destination{Writer: file, file: file, target: path}, nil
}

// TextOnly says whether the destination refuses binary output.
func (d *Destination) TextOnly() bool { return d.textOnly }

// commit makes the file whole and gives it its name.
func (d *Destination) commit() error {
	if d.file == nil {
		return nil
	}
	if d.target != "" {
		if err := d.file.Sync(); err != nil {
			d.discard()
			return err
		}
	}
	if err := d.file.Close(); err != nil {
		d.discard()
		return err
	}
	if d.target != "" {
		if err := os.Rename(d.file.Name(), d.target); err != nil {
			d.discard()
			return err
		}
	}
	d.file = nil
	return nil
}

// discard removes what was written; after commit it does nothing.
func (d *Destination) discard() {
	if d.file == nil {
		return
	}
	_ = d.file.Close() // it may be closed already
	if d.target != "" {
		_ = os.Remove(d.file.Name())
	}
	d.file = nil
}

// Produce opens the destination, lets f write to it, and keeps the result only if f
// succeeds.
func (t Terminal) Produce(cmd *cobra.Command, path string, f func(*Destination) error) error {
	out, err := t.create(cmd, path)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := f(out); err != nil {
		return err
	}
	return out.commit()
}

// textWriter passes on text and refuses control characters.
type textWriter struct{ w io.Writer }

func (t textWriter) Write(p []byte) (int, error) {
	if IsBinary(p) {
		return 0, ErrBinary
	}
	return t.w.Write(p)
}

// IsBinary says whether p is no text: it holds a control character other than tab, line
// feed and carriage return, or something other than UTF-8, where a character that the
// border of p cuts counts as text.
func IsBinary(p []byte) bool {
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		switch {
		case r == '\t', r == '\n', r == '\r':
		case unicode.IsControl(r):
			return true
		case r == utf8.RuneError && n == 1 && i >= utf8.UTFMax-1 && len(p)-i >= utf8.UTFMax:
			return true
		}
		i += n
	}
	return false
}
