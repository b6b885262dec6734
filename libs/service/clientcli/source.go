package clientcli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

// Stdio names standard input or output where a flag takes a file.
const Stdio = "-"

// Source is what a command reads: a file or standard input.
type Source struct {
	io.Reader
	file *os.File // nil for standard input
	size int64    // bytes, -1 when unknown
}

// OpenSource opens the file of a flag; "" and "-" mean standard input.
func OpenSource(cmd *cobra.Command, path string) (*Source, error) {
	if path == "" || path == Stdio {
		return &Source{Reader: cmd.InOrStdin(), size: -1}, nil
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
	s := &Source{Reader: file, file: file, size: -1}
	if info.Mode().IsRegular() {
		s.size = info.Size()
	}
	return s, nil
}

// Close closes a file; standard input stays open.
func (s *Source) Close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
}

// ReadUpTo reads at most limit bytes and says whether that was all.
func ReadUpTo(r io.Reader, limit int64) (head []byte, whole bool, err error) {
	head, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	return head, int64(len(head)) <= limit, nil
}

// ReadInline reads what an operation of a service takes at once, limit bytes at most. tooLarge is the error of more.
func ReadInline(r io.Reader, limit int64, tooLarge string) ([]byte, error) {
	content, whole, err := ReadUpTo(r, limit)
	if err == nil && !whole {
		return nil, errors.New(tooLarge)
	}
	return content, err
}

// maxKey bounds a file that holds a key, in bytes: the most that services take.
const maxKey = 24 << 10

// ReadSmall reads a file that holds a key or a token.
func ReadSmall(cmd *cobra.Command, path string) ([]byte, error) {
	return ReadWhole(cmd, path, maxKey, "key")
}

// ReadWhole reads the file of a flag, which holds a what, and has at least one byte and at most limit. "" and "-" mean standard input.
func ReadWhole(cmd *cobra.Command, path string, limit int64, what string) ([]byte, error) {
	from, err := OpenSource(cmd, path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	content, whole, err := ReadUpTo(from, limit)
	name := strconv.Quote(path)
	if path == "" || path == Stdio {
		name = "standard input"
	}
	switch {
	case err != nil:
		return nil, err
	case !whole:
		return nil, fmt.Errorf("%s has more than %d KiB: that is no %s", name, limit>>10, what) //nolint:mnd // bytes in a KiB
	case len(content) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return content, nil
}
