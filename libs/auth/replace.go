package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// replacement is the next content of a file. It is written beside the file and renamed there, so that a reader sees the one or the other,
// whole. The name beside it is also the lock that keeps two edits apart, from before the file is read until it is replaced.
type replacement struct {
	file, beside string
	out          *os.File
	done         bool
}

// replace begins a replacement; ErrBusy if another one is under way.
func replace(file string) (*replacement, error) {
	beside := file + ".new"
	out, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s %w; if nobody is at it, remove %s", file, ErrBusy, beside)
	}
	if err != nil {
		return nil, err
	}
	return &replacement{file: file, beside: beside, out: out}, nil
}

// write sets the content and brings it to the disk.
func (r *replacement) write(content []byte) error {
	_, err := r.out.Write(content)
	return errors.Join(err, r.out.Sync())
}

// inherit gives the content the owner, the group and the mode of the file that it replaces: an operator's edit must not take the file from
// the service that reads it.
func (r *replacement) inherit() error {
	before, err := os.Stat(r.file)
	if err != nil {
		return err
	}
	own, err := r.out.Stat()
	if err != nil {
		return err
	}
	was, known := before.Sys().(*syscall.Stat_t)
	is, ok := own.Sys().(*syscall.Stat_t)
	if !known || !ok {
		return nil // a system without owners
	}
	if was.Uid != is.Uid || was.Gid != is.Gid {
		if err := r.out.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return fmt.Errorf("keep the owner of %s: %w; edit it as its owner", r.file, err)
		}
	}
	return r.out.Chmod(before.Mode().Perm())
}

// commit puts the content in place of the file's and ends the edit.
func (r *replacement) commit() error {
	if err := os.Rename(r.beside, r.file); err != nil {
		return err
	}
	r.done = true
	if err := r.out.Close(); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(r.file))
	if err != nil {
		return nil //nolint:nilerr // renamed; a folder that cannot be read cannot be synced either
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// cancel ends the edit without a change, unless it was committed.
func (r *replacement) cancel() {
	if r.done {
		return
	}
	_ = r.out.Close()       // its content is not wanted
	_ = os.Remove(r.beside) // what remains is named by the next edit's error
}
