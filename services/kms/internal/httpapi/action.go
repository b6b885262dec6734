package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// action is one cryptographic operation as a request: what it reads, does and answers. The same action serves the operation alone and in a batch.
type action[I, O any] struct {
	// op is to the choke point what the action is, and the last part of its path.
	op keyring.Operation
	// name is what the audit trail calls it: the operationId.
	name string
	// read makes the question of a JSON object that the document has allowed.
	read func(object []byte) (I, error)
	// do asks the domain.
	do func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask I) (O, error)
	// uses are the versions that were used, in the audit trail's words.
	uses func(name string, answer O) uses
	// write appends the members of the answer's JSON object, without its braces. It is the last to see the answer, and clears what is secret.
	write func(out []byte, answer O) ([]byte, error)
	// octets reads and answers what is not JSON; nil where the document has only JSON.
	octets *octets[I, O]
}

// uses are what was done with one or two versions; an empty name stands for nothing.
type uses [2]use

type use struct {
	name string
	of   keyring.Used
}

// used is the use of one version. That of a compromised one has a name of its own.
func used(name string, of keyring.Used) use {
	if of.Compromised {
		name += "-compromised"
	}
	return use{name: name, of: of}
}

// single is uses of an action that uses one version.
func single(name string, of keyring.Used) uses { return uses{used(name, of)} }

// mount registers the action, alone and in batches.
func mount[I, O any](h *Operations, r chi.Router, errs server.ErrorHandlers, a action[I, O]) {
	path := "/elastic-keys/{id}/" + string(a.op)
	if a.op == keyring.OpGenerateRandom {
		path = "/" + string(a.op)
	}
	r.Post(path, func(w http.ResponseWriter, r *http.Request) {
		if err := a.serve(h, w, r); err != nil {
			errs.Response(w, r, err)
		}
	})
	r.Post(path+"-batch", func(w http.ResponseWriter, r *http.Request) {
		if err := a.serveBatch(h, w, r); err != nil {
			errs.Response(w, r, err)
		}
	})
}

// refOf is the key that the path names; nothing for an action without one.
func refOf(r *http.Request) string { return chi.URLParamFromCtx(r.Context(), "id") }

// serve answers one request.
func (a action[I, O]) serve(h *Operations, w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	who, err := caller(ctx)
	if err != nil {
		return err
	}
	id := refOf(r)
	if id != "" {
		about(ctx, id, 0)
	}
	form, err := a.form(r)
	if err != nil {
		return err
	}
	ask, err := form.read(r, server.BodyFrom(ctx))
	if err != nil {
		return err
	}
	answer, err := a.do(ctx, who, keyring.Ref(id), ask)
	if err != nil {
		return err
	}
	if err := h.record(ctx, a.name, id, a.uses(a.name, answer)); err != nil {
		return err
	}
	return form.write(w, answer)
}

// form is how one request is read and answered.
type form[I, O any] struct {
	read  func(r *http.Request, body []byte) (I, error)
	write func(w http.ResponseWriter, answer O) error
}

// form finds out what a request has sent and wants. Nearly all have JSON and want it.
func (a action[I, O]) form(r *http.Request) (form[I, O], error) {
	asJSON := form[I, O]{
		read:  func(_ *http.Request, body []byte) (I, error) { return a.read(body) },
		write: a.writeJSON,
	}
	if a.octets == nil {
		return asJSON, nil
	}
	return a.octets.form(r, asJSON)
}

// record tells the audit trail what was done. An action that used one version and is called by its own name costs nothing more than that.
func (h *Operations) record(ctx context.Context, name, id string, done uses) error {
	first := done[0]
	switch {
	case first.name == "" && id == "":
		return h.use(ctx, name, emptyObject)
	case first.of.ElasticKeyID == "":
		return h.used(ctx, name, id, 0)
	case first.name == name && done[1].name == "":
		return h.used(ctx, name, first.of.ElasticKeyID, first.of.Version)
	}
	tally := tally{}
	tally.add(done)
	about(ctx, first.of.ElasticKeyID, first.of.Version)
	return h.useAll(ctx, tally.list())
}

// jsonType is the media type of JSON answers, as a header's values.
var jsonType = []string{"application/json"}

func (a action[I, O]) writeJSON(w http.ResponseWriter, answer O) error {
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	out, err := a.write(append((*buffer)[:0], '{'), answer)
	if err != nil {
		return err
	}
	out = append(out, "}\n"...)
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(out))}
	_, _ = w.Write(out) // the client has gone; there is nobody to tell
	release(buffer, out)
	return nil
}
