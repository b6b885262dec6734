package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a Document.
const ContentType = "application/problem+json"

// typePrefix makes a code the URN that identifies the problem's type (RFC 9457 section 3.1.1).
const typePrefix = "urn:cryptoutil:problem:"

// Document is the problem as it stands on the wire.
type Document struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail,omitempty"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	Errors    []Field `json:"errors,omitempty"`

	retryAfter time.Duration
}

// Document describes err for the client. Only what err offers through ErrorCode, ErrorDetail and Fields can appear in it.
func (t Table) Document(err error, requestID string) Document {
	var coded Coded
	code := InternalError
	if errors.As(err, &coded) {
		if _, known := t[coded.ErrorCode()]; known {
			code = coded.ErrorCode()
		}
	}
	kind := t[code]
	doc := Document{
		Type: typePrefix + code, Title: kind.Title, Status: kind.Status, Code: code, RequestID: requestID, retryAfter: kind.RetryAfter,
	}
	if code == InternalError {
		return doc
	}
	if detailed, ok := coded.(Detailed); ok {
		doc.Detail = detailed.ErrorDetail()
	}
	if doc.retryAfter == 0 && (kind.Status == http.StatusServiceUnavailable || kind.Status == http.StatusTooManyRequests) {
		doc.retryAfter = time.Second
	}
	if timed, ok := coded.(interface{ RetryAfter() time.Duration }); ok && timed.RetryAfter() > 0 {
		doc.retryAfter = timed.RetryAfter()
	}
	if listed, ok := coded.(interface{ Fields() []Field }); ok {
		doc.Errors = listed.Fields()
	}

	return doc
}

// page shows a problem to a person. It needs nothing that a strict content security policy forbids.
var page = template.Must(template.New("problem").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body><main><h1>{{.Title}}</h1>{{with .Detail}}<p>{{.}}</p>{{end}}<p><small>{{.Code}}, request {{.RequestID}}</small></p></main></body></html>
`))

// WritePage sends the problem as a page of HTML.
func (d Document) WritePage(w http.ResponseWriter) {
	var body bytes.Buffer
	if err := page.Execute(&body, d); err != nil { // texts always fit
		panic(err)
	}
	d.send(w, "text/html; charset=utf-8", body.Bytes())
}

// Write sends the document. Headers that belong to the problem are set; those already there stay.
func (d Document) Write(w http.ResponseWriter) {
	body, err := json.Marshal(d)
	body = append(body, '\n')
	if err != nil { // strings and integers always marshal
		panic(err)
	}
	d.send(w, ContentType, body)
}

func (d Document) send(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if d.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((d.retryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(body) // the client has gone; there is nobody to tell
}
