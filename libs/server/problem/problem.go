// Package problem holds the errors that a client of the HTTP API may see, and the problem documents they become
// (RFC 9457, application/problem+json). Domain packages return an *Error, wrapped or not, and know nothing of HTTP; one Table,
// consulted at the edge, turns its code into a status and a title.
//
// An error that carries no code, or a code the Table does not know, becomes internal_error: its text is for the log only.
package problem

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Coded is what makes any error presentable: a stable snake_case code that a Table can look up. Packages that may not import
// this one implement it structurally.
type Coded interface {
	error
	ErrorCode() string
}

// Detailed adds a sentence that is safe to send to the client.
type Detailed interface {
	ErrorDetail() string
}

// Is tells whether err, or what it wraps, has the code.
func Is(err error, code string) bool {
	var coded Coded
	return errors.As(err, &coded) && coded.ErrorCode() == code
}

// Field is one fault inside a request.
type Field struct {
	// Pointer is the JSON pointer (RFC 6901) of the member at fault in the request body, "" for the body itself. A fault outside the
	// body is named as /query/<name>, /path/<name> or /header/<name>.
	Pointer string `json:"pointer"`
	// Detail says what must hold, in plain words. It never repeats a value from the request.
	Detail string `json:"detail"`
}

// tokenEscapes are those of a reference token (RFC 6901 section 3).
var tokenEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer makes a JSON pointer of its reference tokens.
func Pointer(tokens ...string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteByte('/')
		b.WriteString(tokenEscapes.Replace(token))
	}

	return b.String()
}

// Error is an error with a code, a detail that the client may read, and a cause that it may not.
type Error struct {
	code   string
	detail string
	fields []Field
	cause  error
	after  time.Duration
}

// New makes an error with a code of the Table. The formatted text is sent to the client as the problem's detail: it must hold
// nothing that the client may not know.
func New(code, format string, args ...any) *Error {
	return &Error{code: code, detail: fmt.Sprintf(format, args...)}
}

// With returns a copy of the error that also lists these faults.
func (e *Error) With(fields ...Field) *Error {
	c := *e
	c.fields = append(append([]Field(nil), e.fields...), fields...)

	return &c
}

// Because returns a copy of the error that wraps its cause, which is logged and never sent.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause

	return &c
}

// After returns a copy of the error that says when the same request may succeed; it is sent as Retry-After.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.after = d

	return &c
}

// RetryAfter is when the same request may succeed; zero leaves it to the Table.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Error is the text for logs: code, detail and cause.
func (e *Error) Error() string {
	text := e.code
	if e.detail != "" {
		text += ": " + e.detail
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}

	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// ErrorCode is the stable code.
func (e *Error) ErrorCode() string { return e.code }

// ErrorDetail is the sentence for the client.
func (e *Error) ErrorDetail() string { return e.detail }

// Fields lists the faults inside the request.
func (e *Error) Fields() []Field { return e.fields }
