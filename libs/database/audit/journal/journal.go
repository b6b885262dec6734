// Package journal is a local file of lines for what cannot go to the database now. A line is on disk when [Journal.Append] returns.
//
// Whoever takes the lines over remembers the journal's id and the number of the last line taken, in the same transaction as what it made of
// them, and calls [Journal.Clear] afterwards, which begins a new journal with a new id. A crash between any two steps neither loses a line
// nor brings one twice.
package journal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

const (
	// MaxSize is the length in bytes that the file may reach.
	MaxSize = 64 << 20
	// maxLine is the length in bytes of the longest line.
	maxLine = 8 << 20
	header  = "cryptoutil journal v1 "
)

// ErrFull says that a line would make the journal longer than [MaxSize].
var ErrFull = errors.New("the journal is full: it is taken over when the database is back")

// Journal is an open file, which no other process can open meanwhile. It may be used by many goroutines.
type Journal struct {
	mu    sync.Mutex
	file  *os.File
	size  int64 // of complete lines; the file may be longer after a failed write
	lines int64 // without the header
	id    string

	// readTo is where in the file the line after number readLine begins.
	readTo, readLine int64
}

// Open opens the file (0600), or makes it, in a folder that exists. A line whose write a crash has cut off, and which nobody was told is
// there, is removed.
func Open(name string) (*Journal, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{file: file}
	if err := j.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", name, err), file.Close())
	}
	return j, nil
}

func (j *Journal) load() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return errors.New("it must be a file that only its owner can read: chmod 600 it")
	}
	if err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has it: %w", err)
	}
	if err := j.count(); err != nil {
		return err
	}
	if j.size == 0 {
		return j.begin()
	}
	return j.file.Truncate(j.size)
}

// count finds the complete lines.
func (j *Journal) count() error {
	first := make([]byte, len(header)+64)
	n, err := j.file.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	end := bytes.IndexByte(first[:n], '\n')
	if end < 0 && strings.HasPrefix(header, string(first[:min(n, len(header))])) {
		return nil // nothing, or a header that was cut off
	}
	if end < 0 || !bytes.HasPrefix(first, []byte(header)) {
		return errors.New("it is not a journal: move it away and keep it")
	}
	j.id, j.size = string(first[len(header):end]), int64(end)+1
	j.readTo = j.size
	buf := make([]byte, 64<<10)
	for at := j.size; ; {
		n, err := j.file.ReadAt(buf, at)
		if last := bytes.LastIndexByte(buf[:n], '\n'); last >= 0 {
			j.size = at + int64(last) + 1
			j.lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// begin makes the file an empty journal with a new id.
func (j *Journal) begin() error {
	if err := j.file.Truncate(0); err != nil {
		return err
	}
	j.id = rand.Text()
	text := header + j.id + "\n"
	if _, err := j.file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.size, j.lines, j.readTo, j.readLine = int64(len(text)), 0, int64(len(text)), 0
	return syncFolder(filepath.Dir(j.file.Name()))
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Append adds lines, which hold no line feed, and returns when all of them are on disk. After an error none of them counts.
func (j *Journal) Append(lines ...[]byte) error {
	var text []byte
	for _, line := range lines {
		if len(line) > maxLine || bytes.IndexByte(line, '\n') >= 0 {
			return errors.New("append to journal: a line is too long, or is two")
		}
		text = append(append(text, line...), '\n')
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size+int64(len(text)) > MaxSize {
		return ErrFull
	}
	if err := j.write(text); err != nil {
		// What has been written of it would else be the beginning of the next line.
		return errors.Join(fmt.Errorf("append to journal: %w", err), j.file.Truncate(j.size))
	}
	j.size += int64(len(text))
	j.lines += int64(len(lines))
	return nil
}

func (j *Journal) write(text []byte) error {
	if j.id == "" {
		if err := j.begin(); err != nil {
			return err
		}
	}
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		return err
	}
	return j.file.Sync()
}

// State is the journal's id and how many lines it has.
func (j *Journal) State() (id string, lines int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.id, j.lines
}

// Lines reads lines after the one with the number given, counted from 1: as many as fit into size bytes, and at least one if there is one.
func (j *Journal) Lines(after int64, size int) ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if after < j.readLine {
		j.readTo, j.readLine = int64(len(header)+len(j.id)+1), 0
	}
	var lines [][]byte
	for total := 0; j.readLine < j.lines; {
		line, err := j.line(j.readTo)
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		if j.readLine >= after {
			if total += len(line); total > size && len(lines) > 0 {
				break
			}
			lines = append(lines, line)
		}
		j.readTo += int64(len(line)) + 1
		j.readLine++
	}
	return lines, nil
}

func (j *Journal) line(at int64) ([]byte, error) {
	for length := int64(4 << 10); ; length *= 4 {
		buf := make([]byte, min(length, j.size-at))
		if _, err := j.file.ReadAt(buf, at); err != nil {
			return nil, err
		}
		if end := bytes.IndexByte(buf, '\n'); end >= 0 {
			return buf[:end], nil
		}
		if int64(len(buf)) == j.size-at {
			return nil, io.ErrUnexpectedEOF
		}
	}
}

// Clear begins a new journal if this one is still the one with that id and has no more lines than those taken over.
func (j *Journal) Clear(id string, taken int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.id != id || j.lines != taken {
		return nil
	}
	if err := j.begin(); err != nil {
		j.id, j.size, j.lines = "", 0, 0 // the next Append begins again
		return fmt.Errorf("clear journal: %w", err)
	}
	return nil
}

// Close gives the file free.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
