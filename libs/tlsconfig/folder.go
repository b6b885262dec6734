package tlsconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// temporaryPattern names files that are being written.
const temporaryPattern = ".writing-*"

// folder is a directory that several processes share.
type folder string

// checkAccess refuses a folder in which everybody can replace files.
func (f folder) checkAccess() error {
	info, err := os.Stat(string(f))
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 {
		return fmt.Errorf("everybody can write the folder (mode %04o); chmod 700 it", mode)
	}
	return nil
}

// exclusively runs do while this process, and in it this call, alone uses the folder, which it creates if need be.
func (f folder) exclusively(do func() error) (err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(f.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // which unlocks
	if err := flock(lock); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return do()
}

// flock waits for the lock of an open file.
func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// path is a file's path.
func (f folder) path(name string) string { return filepath.Join(string(f), name) }

// read returns a file's content, nil when there is no such file.
func (f folder) read(name string) ([]byte, error) {
	text, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}

// write replaces a file so that, whatever happens, the old or the new content stands there whole.
func (f folder) write(name string, content []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", f.path(name), err)
		}
	}()
	if err := f.sweep(); err != nil {
		return err
	}
	file, err := os.CreateTemp(string(f), temporaryPattern) // mode 0600
	if err != nil {
		return err
	}
	_, writeErr := file.Write(content)
	if err := errors.Join(writeErr, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.path(name)); err != nil {
		return err
	}
	return f.sync()
}

// sync makes a rename last.
func (f folder) sync() error {
	directory, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// sweep removes what an interrupted write has left.
func (f folder) sweep() error {
	leftovers, err := filepath.Glob(f.path(temporaryPattern))
	if err != nil {
		return err
	}
	for _, file := range leftovers {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}
