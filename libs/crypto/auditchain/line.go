package auditchain

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// MaxLine is the length in bytes of the longest line of an export.
const MaxLine = 1 << 20

// line is one line of an export: an entry or a checkpoint.
type line struct {
	entry Entry  // Event is nil for a checkpoint, and valid until the next line is read
	jws   string // of a checkpoint
}

// bufferSize holds most lines; longer ones are put together.
const bufferSize = 64 << 10

// lines reads an export line by line.
type lines struct {
	r    *bufio.Reader
	long []byte // a line that does not fit into the buffer of r
	n    int64  // of the line read last
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, bufferSize)} }

// next returns io.EOF after the last line. Empty lines are passed over. An error that is not of the reader is lineError.
func (l *lines) next() (line, error) {
	for {
		text, err := l.read()
		if err != nil {
			return line{}, err
		}
		if text = bytes.Trim(text, " \t\r\n"); len(text) == 0 {
			continue
		}
		parsed, err := parseLine(text)
		if err != nil {
			return line{}, lineError{err}
		}
		return parsed, nil
	}
}

// read returns a line that is valid until the next one is read.
func (l *lines) read() ([]byte, error) {
	text, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) && len(l.long) <= MaxLine {
			l.long = append(l.long, text...)
			text, err = l.r.ReadSlice('\n')
		}
		l.long = append(l.long, text...)
		text = l.long
	}
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && (!errors.Is(err, io.EOF) || len(text) == 0) {
		return nil, err
	}
	l.n++
	if len(text) > MaxLine {
		return nil, lineError{fmt.Errorf("it is longer than %d bytes", MaxLine)}
	}
	return text, nil
}

// lineError is what is wrong with a line.
type lineError struct{ error }

func parseLine(text []byte) (line, error) {
	var l line
	var kind string
	seen := map[string]bool{}
	err := strictjson.Object(text, func(name, value []byte) (err error) {
		seen[string(name)] = true
		switch string(name) {
		case "type":
			kind, err = strictjson.String(value)
		case "jws":
			l.jws, err = strictjson.String(value)
		case "seq":
			l.entry.Seq, err = strconv.ParseInt(string(value), 10, 64)
		case "prev":
			l.entry.Prev, err = hashOf(value)
		case "hash":
			l.entry.Hash, err = hashOf(value)
		case "event":
			l.entry.Event = value
		default:
			err = fmt.Errorf("member %q is unknown", name)
		}
		return err
	})
	if err != nil {
		return line{}, err
	}
	switch {
	case kind == "event" && len(seen) == 5 && !seen["jws"]:
		if l.entry.Seq < 1 {
			return line{}, errors.New("numbers begin with 1")
		}
		return l, nil
	case kind == "checkpoint" && len(seen) == 2 && seen["jws"]:
		return l, nil
	}
	return line{}, errors.New("it is neither an event nor a checkpoint")
}

func hashOf(value []byte) (Hash, error) {
	text, err := strictjson.String(value)
	if err != nil {
		return Hash{}, err
	}
	return ParseHash(text)
}

// tenantOf is the tenant that an event names.
func tenantOf(event []byte) (string, error) {
	var tenant string
	err := strictjson.Object(event, func(name, value []byte) (err error) {
		if string(name) == "tenant" {
			tenant, err = strictjson.String(value)
		}
		return err
	})
	if err == nil && tenant == "" {
		err = errors.New("the event names no tenant")
	}
	return tenant, err
}
