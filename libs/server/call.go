package server

import (
	"context"

	"github.com/go-chi/chi/v5"
)

// callKey finds the call in a context.
type callKey struct{}

// call is everything the platform knows of one request, and the request's context: one allocation holds both. The pipeline's
// stages write it one after the other, on one goroutine, before the handler runs; afterwards it is only read.
type call struct {
	context.Context

	id        string
	principal *Principal
	route     chi.Context
}

// Value answers for the call itself and for chi's route parameters.
func (c *call) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case chi.RouteCtxKey:
		return &c.route
	default:
		return c.Context.Value(key)
	}
}
