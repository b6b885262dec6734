package apiclient

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// codeUnexpected is the [Problem] code of an answer that is no problem document, as
// a proxy or a wrong address gives it.
const codeUnexpected = "unexpected_answer"

// Problem is what a service refuses (RFC 9457). It is an error.
type Problem struct { //nolint:errname // what the API calls it
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"` // stable, snake_case
	// RequestID finds the service's log line.
	RequestID string         `json:"request_id"`
	Errors    []FieldProblem `json:"errors,omitempty"`
}

// FieldProblem is what is wrong with one member of a request.
type FieldProblem struct {
	Pointer string `json:"pointer"` // JSON pointer (RFC 6901)
	Detail  string `json:"detail"`
}

// Error gives the code, what the service says about it, each member it objects to,
// and the request id that finds the service's log line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Code)
	text := p.Explanation()
	if len(p.Errors) == 1 && p.Errors[0].Detail == text {
		text = "" // once is enough, and the field knows where
	}
	separator := ": "
	if text != "" {
		b.WriteString(separator + text)
		separator = "; "
	}
	for _, field := range p.Errors {
		fmt.Fprintf(&b, "%s%s: %s", separator, field.Pointer, field.Detail)
		separator = "; "
	}
	if p.RequestID != "" {
		b.WriteString(" (request " + p.RequestID + ")")
	}
	return b.String()
}

// Explanation is the detail of the problem, or its title where it has none.
func (p *Problem) Explanation() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// problemFrom reads the problem out of an answer that reports no success.
func problemFrom(answer *http.Response, body []byte) *Problem {
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err == nil && media == "application/problem+json" {
		problem := new(Problem)
		if json.Unmarshal(body, problem) == nil && problem.Code != "" {
			problem.Status = answer.StatusCode // what was sent wins over what was written
			return problem
		}
	}
	return &Problem{
		Type:   "about:blank",
		Title:  http.StatusText(answer.StatusCode),
		Status: answer.StatusCode,
		Code:   codeUnexpected,
		Detail: fmt.Sprintf("HTTP status %d without a problem document: is this the public address of a service?", answer.StatusCode),
	}
}
