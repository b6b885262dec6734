package problem

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"time"
)

// The codes that the platform itself answers with. Services add their own through a Table.
const (
	BadRequest            = "bad_request"
	ValidationFailed      = "validation_failed"
	DuplicateMember       = "duplicate_member"
	UnknownMember         = "unknown_member"
	TrailingData          = "trailing_data"
	InvalidCursor         = "invalid_cursor"
	Unauthenticated       = "unauthenticated"
	SessionRequired       = "session_required"
	Forbidden             = "forbidden"
	InsufficientScope     = "insufficient_scope"
	WrongClientType       = "wrong_client_type"
	NotFound              = "not_found"
	MethodNotAllowed      = "method_not_allowed"
	Conflict              = "conflict"
	InvalidState          = "invalid_state"
	IdempotencyInProgress = "idempotency_in_progress"
	PreconditionFailed    = "precondition_failed"
	PayloadTooLarge       = "payload_too_large"
	UnsupportedMediaType  = "unsupported_media_type"
	IdempotencyMismatch   = "idempotency_mismatch"
	PreconditionRequired  = "precondition_required"
	RateLimited           = "rate_limited"
	HeadersTooLarge       = "headers_too_large"
	InternalError         = "internal_error"
	Overloaded            = "overloaded"
	Sealed                = "sealed"
	StateUnavailable      = "state_unavailable"
	ShuttingDown          = "shutting_down"
	IPNotAllowed          = "ip_not_allowed"
	CSRFFailed            = "csrf_failed"
	StepUpRequired        = "step_up_required"
	TenantSuspended       = "tenant_suspended"
	FeatureDisabled       = "feature_disabled"
	DependencyUnavailable = "dependency_unavailable"
	ApprovalRequired      = "approval_required"
	ApprovalNotUsable     = "approval_not_usable"
)

// Kind is what every problem of one code has in common.
type Kind struct {
	// Status is the HTTP status, 400 to 599.
	Status int
	// Title is the summary that does not change from one occurrence to the next (RFC 9457 section 3.1.3).
	Title string
	// RetryAfter, when positive, is sent as Retry-After in whole seconds (RFC 9110 section 10.2.3).
	RetryAfter time.Duration
}

// Table maps codes to kinds. A Table is not changed once it serves.
type Table map[string]Kind

var codeShape = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Platform returns a new Table with the platform's codes.
func Platform() Table {
	return Table{
		BadRequest:            {Status: http.StatusBadRequest, Title: "The request is malformed"},
		ValidationFailed:      {Status: http.StatusBadRequest, Title: "The request does not fit the operation"},
		DuplicateMember:       {Status: http.StatusBadRequest, Title: "A member appears twice"},
		UnknownMember:         {Status: http.StatusBadRequest, Title: "A member is unknown"},
		TrailingData:          {Status: http.StatusBadRequest, Title: "Data follows the JSON value"},
		InvalidCursor:         {Status: http.StatusBadRequest, Title: "The cursor does not belong to this list"},
		Unauthenticated:       {Status: http.StatusUnauthorized, Title: "Valid credentials are required"},
		SessionRequired:       {Status: http.StatusUnauthorized, Title: "A browser session is required"},
		Forbidden:             {Status: http.StatusForbidden, Title: "The caller may not do this"},
		InsufficientScope:     {Status: http.StatusForbidden, Title: "The credential lacks the scope"},
		WrongClientType:       {Status: http.StatusForbidden, Title: "This prefix is for another type of client"},
		NotFound:              {Status: http.StatusNotFound, Title: "Nothing is here"},
		MethodNotAllowed:      {Status: http.StatusMethodNotAllowed, Title: "The resource does not support this method"},
		Conflict:              {Status: http.StatusConflict, Title: "The request conflicts with what exists"},
		InvalidState:          {Status: http.StatusConflict, Title: "The resource is in another state"},
		IdempotencyInProgress: {Status: http.StatusConflict, Title: "The same request is still running", RetryAfter: time.Second},
		PreconditionFailed:    {Status: http.StatusPreconditionFailed, Title: "The resource has changed"},
		PayloadTooLarge:       {Status: http.StatusRequestEntityTooLarge, Title: "The body is too large"},
		UnsupportedMediaType:  {Status: http.StatusUnsupportedMediaType, Title: "The media type is not supported"},
		IdempotencyMismatch:   {Status: http.StatusUnprocessableEntity, Title: "The idempotency key was used with another request"},
		PreconditionRequired:  {Status: http.StatusPreconditionRequired, Title: "If-Match is required"},
		RateLimited:           {Status: http.StatusTooManyRequests, Title: "Too many requests", RetryAfter: time.Second},
		HeadersTooLarge:       {Status: http.StatusRequestHeaderFieldsTooLarge, Title: "The header is too large"},
		InternalError:         {Status: http.StatusInternalServerError, Title: "The service failed"},
		Overloaded:            {Status: http.StatusServiceUnavailable, Title: "The service is at capacity", RetryAfter: time.Second},
		Sealed:                {Status: http.StatusServiceUnavailable, Title: "The service is sealed", RetryAfter: 30 * time.Second},
		StateUnavailable:      {Status: http.StatusServiceUnavailable, Title: "The service cannot see its current state", RetryAfter: time.Second},
		ShuttingDown:          {Status: http.StatusServiceUnavailable, Title: "The service is shutting down", RetryAfter: time.Second},
		IPNotAllowed:          {Status: http.StatusForbidden, Title: "The address is not allowed"},
		CSRFFailed:            {Status: http.StatusForbidden, Title: "The request came from another site"},
		StepUpRequired:        {Status: http.StatusUnauthorized, Title: "A fresh authentication is required"},
		TenantSuspended:       {Status: http.StatusForbidden, Title: "The tenant is suspended"},
		FeatureDisabled:       {Status: http.StatusNotFound, Title: "The feature is switched off"},
		ApprovalRequired:      {Status: http.StatusForbidden, Title: "A quorum must approve it"},
		ApprovalNotUsable:     {Status: http.StatusConflict, Title: "The approval is not good for this"},
		DependencyUnavailable: {Status: http.StatusServiceUnavailable, Title: "A service that this one needs is away", RetryAfter: 5 * time.Second},
	}
}

// Extend returns a new Table with both sets of codes. A code that stands in both, or an entry that no problem could be made of,
// is an error.
func (t Table) Extend(more Table) (Table, error) {
	out := maps.Clone(t)
	for code, kind := range more {
		if _, taken := out[code]; taken {
			return nil, fmt.Errorf("problem code %q is defined twice", code)
		}
		if !codeShape.MatchString(code) {
			return nil, fmt.Errorf("problem code %q is not snake_case", code)
		}
		if kind.Status < 400 || kind.Status > 599 || kind.Title == "" {
			return nil, fmt.Errorf("problem code %q needs a status of 400 to 599 and a title", code)
		}
		out[code] = kind
	}

	return out, nil
}
