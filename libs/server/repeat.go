package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// headerReplayed marks an answer that was given before.
const headerReplayed = "Idempotency-Replayed"

// maxIdempotencyKey is the longest key, in characters.
const maxIdempotencyKey = 255

// repeat makes a POST that carries an Idempotency-Key have one effect, however often it comes. The handler's answer is held back until
// its change is committed together with the record of the answer.
func (s *Server) repeat(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		keys := r.Header[contract.IdempotencyKey]
		if len(keys) == 0 || !c.route.op.Idempotent {
			next(c, w, r)

			return
		}
		if err := checkKey(keys); err != nil {
			s.fail(c, w, r, err)

			return
		}
		// The path, not its pattern: the same key on another resource is another request. The query is part of what was asked.
		scope := [5]string{c.principal.Tenant, c.principal.Kind + ":" + c.principal.ID, r.Method, r.URL.EscapedPath(), keys[0]}
		asked := c.body
		if r.URL.RawQuery != "" {
			asked = append([]byte(r.URL.RawQuery+"\n"), c.body...)
		}
		var held heldAnswer
		stored, replayed, err := s.deps.Idempotency.Run(r.Context(), scope, asked, func(ctx context.Context) ([]byte, bool, error) {
			held = heldAnswer{header: http.Header{}}
			next(c, &held, r.WithContext(ctx))

			return held.record(c.code)
		})
		switch {
		case errors.Is(err, errNotKept):
			if err != errNotKept { //nolint:errorlint // whether there is more to it than that
				s.log.WarnContext(c, "idempotency key is not released", "request_id", c.requestID(), "error", err)
			}
			c.recorded = false // with the change
			held.send(w)
		case err != nil:
			c.code, c.recorded = "", false
			s.fail(c, w, r, err)
		case replayed:
			s.replay(c, w, r, stored)
		default:
			held.send(w)
		}
	}
}

func checkKey(keys []string) error {
	if len(keys) == 1 && len(keys[0]) >= 1 && len(keys[0]) <= maxIdempotencyKey {
		printable := true
		for i := range len(keys[0]) {
			printable = printable && keys[0][i] >= ' ' && keys[0][i] <= '~'
		}
		if printable {
			return nil
		}
	}

	return problem.New(problem.ValidationFailed, "the request's parameters do not fit the operation").With(problem.Field{
		Pointer: problem.Pointer("header", contract.IdempotencyKey),
		Detail:  fmt.Sprintf("must be one value of 1 to %d printable ASCII characters", maxIdempotencyKey),
	})
}

// replay sends a stored answer.
func (s *Server) replay(c *call, w http.ResponseWriter, r *http.Request, stored []byte) {
	var answer storedAnswer
	if err := json.Unmarshal(stored, &answer); err != nil || answer.Status < http.StatusOK {
		s.fail(c, w, r, fmt.Errorf("read stored answer: %w", errors.Join(err, errors.New("it is not one of ours"))))

		return
	}
	for name, value := range answer.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set(headerReplayed, "true")
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // the client has gone; there is nobody to tell
}

// storedAnswer is what the record of an answer holds.
type storedAnswer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// storedHeaders are those that belong to the answer and not to the exchange.
func storedHeaders() []string { return []string{"Content-Type", "Location", "Etag"} }

// errNotKept ends a run whose answer is not final: whatever it began is undone, and its answer is sent all the same.
var errNotKept = errors.New("the answer is not final")

// heldAnswer is a response that waits.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the header that is sent with the answer.
func (h *heldAnswer) Header() http.Header { return h.header }

// WriteHeader keeps the first status.
func (h *heldAnswer) WriteHeader(status int) {
	if h.status == 0 && status >= http.StatusOK {
		h.status = status
	}
}

func (h *heldAnswer) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)

	return h.body.Write(p)
}

// record is what Idempotency.Run wants to know of the answer: its bytes, if they are final.
func (h *heldAnswer) record(code string) ([]byte, bool, error) {
	h.WriteHeader(http.StatusOK)
	if !final(h.status, code) {
		return nil, false, errNotKept
	}
	answer := storedAnswer{Status: h.status, Header: map[string]string{}, Body: h.body.Bytes()}
	for _, name := range storedHeaders() {
		if value := h.header.Get(name); value != "" {
			answer.Header[name] = value
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, false, fmt.Errorf("store answer: %w", err)
	}

	return text, true, nil
}

// final tells whether the same request would be answered alike for good: success, and refusals that are not about the moment or
// about what the caller may do by now.
func final(status int, code string) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests, statusClientClosed:
		return false
	default:
		return status < http.StatusMultipleChoices || status >= http.StatusBadRequest && status < http.StatusInternalServerError && code != problem.IdempotencyInProgress
	}
}

// send sends the answer.
func (h *heldAnswer) send(w http.ResponseWriter) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes()) // the client has gone; there is nobody to tell
}
