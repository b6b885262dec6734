package server

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// operations are those of all documents, each with its handler.
type operations struct {
	list []boundOperation
	mux  *chi.Mux // finds them by path

	paths map[string]string // method and path without the names of parameters, to method and path as written
	ids   map[string]string // operationId to method and path
}

type boundOperation struct {
	*contract.Operation

	handler http.Handler
}

// apis are the service's own API and the platform's beside it.
func (s *Server) apis() []API { return append([]API{s.deps.API}, s.deps.Platform...) }

// loadCodes joins the codes of all APIs. Two of them may use one code for the same.
func (s *Server) loadCodes() error {
	codes := problem.Platform()
	own := problem.Table{}
	for _, api := range s.apis() {
		more := problem.Table{}
		for code, kind := range api.Codes {
			if known, there := own[code]; !there || !reflect.DeepEqual(known, kind) {
				more[code] = kind
			}
			own[code] = kind
		}
		var err error
		if codes, err = codes.Extend(more); err != nil {
			return err
		}
	}
	s.codes = codes

	return nil
}

// bindOperations binds the operations of all documents to their handlers. What stands in two documents, and whatever has no counterpart,
// is a fault; all are reported at once.
func (s *Server) bindOperations() (*operations, error) {
	o := &operations{mux: chi.NewMux(), paths: map[string]string{}, ids: map[string]string{}}
	var faults []error
	for _, api := range s.apis() {
		faults = append(faults, s.bindDocument(o, api)...)
	}

	return o, errors.Join(faults...)
}

func (s *Server) bindDocument(o *operations, api API) (faults []error) {
	if api.Mount == nil {
		return []error{errors.New("a document comes without handlers")}
	}
	c, err := contract.LoadFor(s.deps.Product, api.Document)
	if err != nil {
		return []error{err}
	}
	handlers, err := s.mount(api)
	if err != nil {
		return []error{err}
	}
	for _, op := range c.Operations() {
		at := op.Method + " " + op.Path
		h := handlers[at]
		delete(handlers, at)
		if h == nil {
			faults = append(faults, fmt.Errorf("%s is in the document and has no handler", at))
		}
		if op.Idempotent && s.deps.Idempotency == nil {
			faults = append(faults, fmt.Errorf("%s honours %s and there is no idempotency store", at, contract.IdempotencyKey))
		}
		if err := o.add(op, h); err != nil {
			faults = append(faults, err)
		}
	}
	for at := range handlers {
		faults = append(faults, fmt.Errorf("%s has a handler and is not in the document", at))
	}

	return faults
}

// parameterNames are what two paths may differ in and still be one.
var parameterNames = regexp.MustCompile(`\{[^}]*\}`)

func (o *operations) add(op *contract.Operation, h http.Handler) error {
	at := op.Method + " " + op.Path
	shape := parameterNames.ReplaceAllString(at, "{}")
	if other, taken := o.paths[shape]; taken {
		return fmt.Errorf("%s stands in two documents, also as %s", at, other)
	}
	if other, taken := o.ids[op.ID]; taken {
		return fmt.Errorf("the operationId %s names %s and %s", op.ID, other, at)
	}
	o.paths[shape], o.ids[op.ID] = at, at
	if h != nil {
		o.mux.Method(op.Method, op.Path, h)
		o.list = append(o.list, boundOperation{Operation: op, handler: h})
	}

	return nil
}

// mount has an API register its handlers and collects them.
func (s *Server) mount(api API) (map[string]http.Handler, error) {
	mux := chi.NewMux()
	api.Mount(mux, ErrorHandlers{Request: s.failRequest, Response: s.failResponse})
	handlers := map[string]http.Handler{}
	err := chi.Walk(mux, func(method, path string, h http.Handler, around ...func(http.Handler) http.Handler) error {
		if len(around) > 0 {
			return fmt.Errorf("%s %s is mounted with middlewares of its own", method, path)
		}
		handlers[method+" "+path] = h

		return nil
	})

	return handlers, err
}
