package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// firstRead is how much memory a body gets before it has shown that it is larger: what a header announces costs its sender nothing.
const firstRead = 16 << 10

// validate checks the request against its operation and reads its body, which the handler then reads from memory.
func (s *Server) validate(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		op := c.route.op
		err := op.CheckParameters(r, c.parameter)
		if err == nil {
			c.body, err = readBody(op, r)
		}
		if err != nil {
			s.fail(c, w, r, err)

			return
		}
		r.Body, r.ContentLength = http.NoBody, 0
		if len(c.body) > 0 {
			r.Body, r.ContentLength = newBody(c.body), int64(len(c.body))
		}
		next(c, w, r)
	}
}

// boundBody bounds the body of a protocol route, which its handler reads.
func (s *Server) boundBody(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		limit := c.route.maxBody
		if limit <= 0 {
			limit = contract.DefaultMaxBody
		}
		if r.ContentLength > limit {
			s.fail(c, w, r, tooLarge(limit))

			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next(c, w, r)
	}
}

// readBody reads and checks the body as far as the operation has one.
func readBody(op *contract.Operation, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 {
		if op.BodyRequired() {
			return nil, problem.New(problem.BadRequest, "the operation needs a body")
		}

		return nil, nil
	}
	if !op.TakesBody() {
		if n, err := io.ReadFull(r.Body, make([]byte, 1)); n == 0 && errors.Is(err, io.EOF) {
			return nil, nil
		}

		return nil, problem.New(problem.BadRequest, "the operation takes no body")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, problem.New(problem.UnsupportedMediaType, "send the body without Content-Encoding")
	}
	contentType := r.Header.Get("Content-Type")
	if err := op.CheckMediaType(contentType); err != nil {
		return nil, err
	}
	content, err := readAtMost(r, op.MaxBody)
	if err != nil {
		return nil, err
	}

	return content, op.CheckBody(contentType, content)
}

// worthReading is how long a body that is refused may be, in bytes, and still be read: who is still sending when the connection closes hears of a
// reset instead of the refusal (RFC 9112 section 9.6).
const worthReading = 256 << 10

// readAtMost reads a body that may have so many bytes.
func readAtMost(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		if r.ContentLength <= worthReading {
			_, _ = io.Copy(io.Discard, r.Body) // the refusal is the same
		}

		return nil, tooLarge(limit)
	}
	if r.ContentLength >= 0 && r.ContentLength <= firstRead {
		content := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, content); err != nil {
			return nil, unreadable(err)
		}

		return content, nil
	}
	buffer := bytes.NewBuffer(make([]byte, 0, firstRead))
	n, err := buffer.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if n > limit {
		return nil, tooLarge(limit)
	}

	return buffer.Bytes(), nil
}

func tooLarge(limit int64) error {
	return problem.New(problem.PayloadTooLarge, "the operation takes a body of at most %s", config.ByteSize(limit))
}

func unreadable(err error) error {
	return problem.New(problem.BadRequest, "the body ended early or took too long").Because(fmt.Errorf("read body: %w", err))
}

// memoryBody is a body that has been read.
type memoryBody struct{ bytes.Reader }

func newBody(content []byte) *memoryBody {
	var b memoryBody
	b.Reset(content)

	return &b
}

// Close does nothing.
func (*memoryBody) Close() error { return nil }
