package acme

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// errorNamespace is what the types of problems begin with (RFC 8555 section 6.7).
const errorNamespace = "urn:ietf:params:acme:error:"

// Types of problems (RFC 8555 section 6.7, RFC 9773 section 7.4, draft-ietf-acme-profiles section 5).
const (
	AccountDoesNotExist     = errorNamespace + "accountDoesNotExist"
	AlreadyReplaced         = errorNamespace + "alreadyReplaced"
	AlreadyRevoked          = errorNamespace + "alreadyRevoked"
	BadCSR                  = errorNamespace + "badCSR"
	BadNonce                = errorNamespace + "badNonce"
	BadPublicKey            = errorNamespace + "badPublicKey"
	BadRevocationReason     = errorNamespace + "badRevocationReason"
	BadSignatureAlgorithm   = errorNamespace + "badSignatureAlgorithm"
	ExternalAccountRequired = errorNamespace + "externalAccountRequired"
	InvalidContact          = errorNamespace + "invalidContact"
	InvalidProfile          = errorNamespace + "invalidProfile"
	Malformed               = errorNamespace + "malformed"
	OrderNotReady           = errorNamespace + "orderNotReady"
	RateLimited             = errorNamespace + "rateLimited"
	RejectedIdentifier      = errorNamespace + "rejectedIdentifier"
	ServerInternal          = errorNamespace + "serverInternal"
	Unauthorized            = errorNamespace + "unauthorized"
	UnsupportedContact      = errorNamespace + "unsupportedContact"
	UnsupportedIdentifier   = errorNamespace + "unsupportedIdentifier"
	UserActionRequired      = errorNamespace + "userActionRequired"
)

// Error is a problem document (RFC 9457), and the error that becomes one. Its text repeats nothing secret.
type Error struct {
	Type       string                 `json:"type"`
	Detail     string                 `json:"detail,omitempty"`
	Status     int                    `json:"status,omitempty"`
	Identifier *validation.Identifier `json:"identifier,omitempty"`
	// Subproblems are there only if there are any (RFC 8555 section 6.7.1).
	Subproblems []Error `json:"subproblems,omitempty"`
	// Algorithms are those that are accepted, where one was not (RFC 8555 section 6.2).
	Algorithms []string `json:"algorithms,omitempty"`

	// RetryAfter is when the same request may succeed; 0 says nothing.
	RetryAfter time.Duration `json:"-"`
	// Location is the URL of an object that is in the way: the account that has the key already (RFC 8555 section 7.3.5).
	Location string `json:"-"`

	cause error
}

// statuses are the codes of the answers; 400 for types that are not here.
var statuses = map[string]int{
	AlreadyReplaced: http.StatusConflict, BadCSR: http.StatusForbidden, ExternalAccountRequired: http.StatusForbidden, OrderNotReady: http.StatusForbidden,
	RateLimited: http.StatusTooManyRequests, RejectedIdentifier: http.StatusForbidden, ServerInternal: http.StatusInternalServerError,
	Unauthorized: http.StatusForbidden, UserActionRequired: http.StatusForbidden, errorNamespace + string(validation.KindCAA): http.StatusForbidden,
}

// NewError makes a problem of a type, with the status that goes with it. The text is sent to the client.
func NewError(kind, format string, args ...any) *Error {
	status, ok := statuses[kind]
	if !ok {
		status = http.StatusBadRequest
	}
	return &Error{Type: kind, Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Error is for logs.
func (p *Error) Error() string {
	if p.cause != nil {
		return p.Type + ": " + p.Detail + ": " + p.cause.Error()
	}
	return p.Type + ": " + p.Detail
}

// Unwrap returns what is logged and never sent.
func (p *Error) Unwrap() error { return p.cause }

func (p *Error) because(cause error) *Error {
	p.cause = cause
	return p
}

func (p *Error) about(i validation.Identifier) *Error {
	p.Identifier = &i
	return p
}

// withStatus gives the problem another code.
func (p *Error) withStatus(status int) *Error {
	p.Status = status
	return p
}

// notFound is one answer for what does not exist and for what is another account's.
func notFound(what string) *Error {
	return NewError(Malformed, "no such %s", what).withStatus(http.StatusNotFound)
}

// combined makes one problem of those of single identifiers: the problem itself where there is one, otherwise subproblems.
func combined(problems []Error) *Error {
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return &problems[0]
	}
	kind := problems[0].Type
	for _, p := range problems {
		if p.Type != kind {
			kind = Malformed
		}
	}
	whole := NewError(kind, "%d identifiers are refused; see the subproblems", len(problems))
	whole.Subproblems = problems
	return whole
}

// fromValidation is what a client is told about an identifier that was not validated.
func fromValidation(err error, i validation.Identifier) *Error {
	if failed, ok := errors.AsType[*validation.Error](err); ok {
		return NewError(errorNamespace+string(failed.Kind), "%s", failed.Detail).about(i).because(err)
	}
	return NewError(ServerInternal, "the validation did not work").about(i).because(err)
}
