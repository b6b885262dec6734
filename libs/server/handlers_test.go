package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// mount registers the tests' handlers.
func (f *fixture) mount(r chi.Router, errs server.ErrorHandlers) {
	f.mu.Lock()
	f.onError = &errs
	f.mu.Unlock()
	r.Get("/things", f.echo("list"))
	r.Post("/things", f.echo("create"))
	r.Get("/things/{id}", f.echo("get"))
	r.Delete("/things/{id}", f.echo("delete"))
	r.Post("/things/{id}/use", f.echo("use"))
	r.Get("/open", f.echo("open"))
	r.Get("/act/{how}", f.act)
	r.Post("/act/{how}", f.act)
	r.Put("/act/{how}", f.act)
}

// echo answers what it was, the path's id, the caller and the body.
func (f *fixture) echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.onError.Request(w, r, err)

			return
		}
		_ = r.Body.Close()
		caller, _ := server.PrincipalFrom(r.Context())
		f.mu.Lock()
		f.seen = append(f.seen, caller)
		f.ids[name] = server.RequestIDFrom(r.Context())
		f.bodies = append(f.bodies, string(body))
		n := len(f.seen)
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if name == "create" {
			w.Header().Set("Location", fmt.Sprintf("/things/%d", n))
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = fmt.Fprintf(w, `{"handler":%q,"id":%q,"body":%q,"n":%d}`, name, chi.URLParam(r, "id"), body, n)
	}
}

// calls counts how often handlers ran.
func (f *fixture) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()

	return len(f.seen)
}

// act does what the path says.
func (f *fixture) act(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, nil)
	f.mu.Unlock()
	switch chi.URLParam(r, "how") {
	case "block":
		f.entered <- "block"
		<-f.release
		_, _ = io.WriteString(w, "released")
	case "wait":
		f.entered <- "wait"
		<-r.Context().Done()
		f.onError.Response(w, r, fmt.Errorf("wait: %w", r.Context().Err()))
	case "panic":
		panic("canary-panic")
	case "panic-late":
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "begun")
		panic("canary-panic")
	case "abort":
		panic(http.ErrAbortHandler)
	case "uncoded":
		w.Header().Set("ETag", `"1"`)
		f.onError.Response(w, r, errors.New("canary-internal: connection refused"))
	case "teapot":
		f.onError.Response(w, r, fmt.Errorf("brew: %w", problem.New("teapot", "no coffee").Because(errors.New("canary-internal"))))
	case "unlisted":
		f.onError.Response(w, r, problem.New("not_in_the_table", "canary-internal"))
	case "conflict":
		f.onError.Response(w, r, problem.New(problem.Conflict, "it is there"))
	case "forbidden":
		f.onError.Response(w, r, problem.New(problem.Forbidden, "not yours"))
	case "in-progress":
		f.onError.Response(w, r, problem.New(problem.IdempotencyInProgress, "elsewhere"))
	case "late-error":
		_, _ = io.WriteString(w, "begun")
		f.onError.Response(w, r, errors.New("too late"))
	case "mistyped":
		var into struct {
			A struct {
				B int `json:"b"`
			} `json:"a"`
			Text   string         `json:"text"`
			Flag   bool           `json:"flag"`
			Number float64        `json:"number"`
			List   []int          `json:"list"`
			Map    map[string]int `json:"map"`
			Odd    chan int       `json:"odd"`
		}
		f.onError.Request(w, r, json.NewDecoder(r.Body).Decode(&into))
	case "unreadable":
		f.onError.Request(w, r, errors.New("canary-internal: parameter canary"))
	case "coded":
		f.onError.Request(w, r, problem.New(problem.PayloadTooLarge, "at most a little"))
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
	case "hint":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
	case "nothing":
	}
}
