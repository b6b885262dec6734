package server

import (
	"context"
	"net/http"
)

// Sessions finds the session of a browser's request. It returns an error with the code "session_required" when the request has none
// that is in force, and may return any other coded error (state_unavailable). It is called from many goroutines at once.
type Sessions interface {
	Session(ctx context.Context, r *http.Request) (*Principal, error)
}
