package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// stdio names standard input or output where a flag takes a file.
const stdio = "-"

// source is what a command reads: a file or standard input.
type source struct {
	io.Reader
	file *os.File // nil for standard input
	size int64    // bytes, -1 when unknown
}

// openSource opens the file of a flag; "" and "-" mean standard input.
func openSource(cmd *cobra.Command, path string) (*source, error) {
	if path == "" || path == stdio {
		return &source{Reader: cmd.InOrStdin(), size: -1}, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no file %q", path)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		_ = file.Close()
		return nil, err
	case info.IsDir():
		_ = file.Close()
		return nil, fmt.Errorf("%q is a directory", path)
	}
	s := &source{Reader: file, file: file, size: -1}
	if info.Mode().IsRegular() {
		s.size = info.Size()
	}
	return s, nil
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
}

// readUpTo reads at most limit bytes and says whether that was all.
func readUpTo(r io.Reader, limit int64) (head []byte, whole bool, err error) {
	head, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	return head, int64(len(head)) <= limit, nil
}

// readInline reads what an operation of the service takes at once.
func readInline(r io.Reader, tooLarge string) ([]byte, error) {
	content, whole, err := readUpTo(r, client.MaxInline)
	if err == nil && !whole {
		return nil, errors.New(tooLarge)
	}
	return content, err
}
