package server

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// API is what a service adds to the platform: its OpenAPI document and the handlers behind it, served under /service/api/v1 and
// /browser/api/v1.
type API struct {
	// Document is the OpenAPI 3.0 document, YAML or JSON. Package contract says what it must state for every operation.
	Document []byte
	// Codes are the service's own problem codes.
	Codes problem.Table
	// Mount registers a handler for every operation of the document and for nothing else, at the document's paths.
	Mount func(r chi.Router, errs ErrorHandlers)
}

// ErrorHandlers answer the errors of generated handlers. They are the only way for a handler to answer an error.
type ErrorHandlers struct {
	// Request is for what the generated code could not read from a request: a parameter or the body. Always a 4xx.
	Request func(w http.ResponseWriter, r *http.Request, err error)
	// Response is for what a handler returned: its code decides, and without one it is a 500.
	Response func(w http.ResponseWriter, r *http.Request, err error)
}

// Authenticator finds out who presents a request. It returns an error with the code "unauthenticated" when the credential is
// absent, unknown, wrong, expired or disabled, all alike, and may return any other coded error (rate_limited, state_unavailable).
// It is called from many goroutines at once.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request) (*Principal, error)
}

// Idempotency makes a repeated request have one effect and the same answer.
type Idempotency interface {
	// Run calls do unless the scope's key has an answer already, which is then returned with replayed true. The scope is tenant,
	// principal, method, route, key. When do says keep, its answer is stored in the transaction of the change it made; an error from
	// do, or from the commit, is returned and leaves neither. Coded errors: idempotency_mismatch, idempotency_in_progress.
	Run(ctx context.Context, scope [5]string, body []byte, do func(context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error)
}
