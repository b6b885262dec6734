package quorum

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

//go:embed openapi.yaml
var document []byte

// maxParameters bounds the parameters of a request, in bytes.
const maxParameters = 16 << 10

// NewAPI is the document with its handlers, for server.Deps.Platform of a service that has rules.
func NewAPI(approvals *Approvals, rules Rules, cursors *page.Cursors) (server.API, error) {
	if approvals == nil || rules == nil || cursors == nil {
		return server.API{}, errors.New("new API of approvals: approvals, rules and cursors are required")
	}
	return server.API{Document: document, Mount: func(r chi.Router, errs server.ErrorHandlers) {
		h := handlers{approvals, rules, cursors, errs}
		r.Post("/approvals", h.with(http.StatusCreated, h.ask))
		r.Get("/approvals", h.with(http.StatusOK, h.list))
		r.Get("/approvals/{id}", h.with(http.StatusOK, h.get))
		r.Post("/approvals/{id}/approve", h.with(http.StatusOK, h.move(approvals.Approve)))
		r.Post("/approvals/{id}/reject", h.with(http.StatusOK, h.move(approvals.Reject)))
		r.Post("/approvals/{id}/cancel", h.with(http.StatusOK, h.move(approvals.Cancel)))
	}}, nil
}

type handlers struct {
	approvals *Approvals
	rules     Rules
	cursors   *page.Cursors
	errs      server.ErrorHandlers
}

// with answers with what an operation returns. The contract was checked before.
func (h handlers) with(status int, do func(r *http.Request, by *server.Principal) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, ok := server.PrincipalFrom(r.Context())
		if !ok {
			h.errs.Response(w, r, problem.New(problem.Unauthenticated, "the request carries no credential"))
			return
		}
		answer, err := do(r, by)
		var text []byte
		if err == nil {
			text, err = json.Marshal(answer)
		}
		if err != nil {
			h.errs.Response(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if made, ok := answer.(approval); ok && status == http.StatusCreated {
			w.Header().Set("Location", "approvals/"+made.ID)
		}
		w.WriteHeader(status)
		_, _ = w.Write(append(text, '\n')) // the caller has gone
	}
}

// newApproval is the body of POST /approvals.
type newApproval struct {
	Operation  string          `json:"operation"`
	Resource   string          `json:"resource"`
	Parameters json.RawMessage `json:"parameters"`
	Reason     string          `json:"reason"`
}

func (h handlers) ask(r *http.Request, by *server.Principal) (any, error) {
	var body newApproval
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	if len(body.Parameters) > maxParameters {
		return nil, problem.New(problem.ValidationFailed, "the body does not fit the operation").
			With(problem.Field{Pointer: "/parameters", Detail: fmt.Sprintf("must have at most %d bytes", maxParameters)})
	}
	subject, err := h.rules.Subject(r.Context(), by, Ask{Operation: body.Operation, Resource: body.Resource, Parameters: body.Parameters})
	if err != nil {
		return nil, err
	}
	made, err := h.approvals.Ask(r.Context(), by, subject, body.Reason)
	if err != nil {
		return nil, err
	}
	return shown(r, made), nil
}

func (h handlers) get(r *http.Request, by *server.Principal) (any, error) {
	found, err := h.approvals.Get(r.Context(), by, chi.URLParam(r, "id"))
	if err != nil {
		return nil, err
	}
	return shown(r, found), nil
}

func (h handlers) move(do func(ctx context.Context, by *server.Principal, id string) (Request, error)) func(*http.Request, *server.Principal) (any, error) {
	return func(r *http.Request, by *server.Principal) (any, error) {
		moved, err := do(r.Context(), by, chi.URLParam(r, "id"))
		if err != nil {
			return nil, err
		}
		return shown(r, moved), nil
	}
}

// approvalPage is the answer to GET /approvals.
type approvalPage struct {
	Items      []approval `json:"items"`
	NextCursor *string    `json:"next_cursor,omitempty"`
}

func (h handlers) list(r *http.Request, by *server.Principal) (any, error) {
	query := r.URL.Query()
	state := State(query.Get("state"))
	var asked *int
	if text := query.Get("limit"); text != "" {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil {
			return nil, fmt.Errorf("read limit: %w", err)
		}
		asked = &n
	}
	of, cursor := page.List{Tenant: by.Tenant, Name: "approvals", Sort: "id", Filter: []string{string(state)}}, query.Get("cursor")
	found, next, err := page.Read(h.cursors, of, asked, &cursor, func(after string, limit int) ([]Request, error) {
		return h.approvals.List(r.Context(), by, state, after, limit)
	}, func(r Request) string { return r.ID })
	if err != nil {
		return nil, err
	}
	return approvalPage{Items: apivalue.Each(found, encode), NextCursor: next}, nil
}

// approval is a request as the API shows it.
type approval struct {
	ID          string          `json:"id"`
	Operation   string          `json:"operation"`
	Resource    resource        `json:"resource"`
	Parameters  json.RawMessage `json:"parameters"`
	Fingerprint string          `json:"fingerprint"`
	Reason      string          `json:"reason"`
	RequestedBy requester       `json:"requested_by"`
	State       State           `json:"state"`
	Approvals   int             `json:"approvals"`
	Needed      int             `json:"approvals_needed"`
	Approvers   []approver      `json:"approvers"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at"`
	ExpiresAt   string          `json:"expires_at"`
}

type resource struct {
	Kind string `json:"kind"`
	Ref  string `json:"ref"`
}

type requester struct {
	Kind string `json:"kind"`
	Ref  string `json:"ref"`
}

type approver struct {
	Ref     string `json:"ref"`
	Vote    string `json:"vote,omitempty"`
	VotedAt string `json:"voted_at,omitempty"`
}

// shown is a request that an exchange is about.
func shown(r *http.Request, of Request) approval {
	server.Annotate(r.Context(), objectKind, of.ID, 0)
	return encode(of)
}

func encode(r Request) approval {
	out := approval{
		ID: r.ID, Operation: r.Operation, Resource: resource{r.Kind, r.Resource}, Parameters: bytes.TrimSpace(r.Parameters), Fingerprint: r.Fingerprint,
		Reason: r.Reason, RequestedBy: requester{r.RequesterKind, r.RequesterID}, State: r.State, Approvals: r.Approvals, Needed: r.Needed,
		Approvers: []approver{}, CreatedAt: apivalue.Timestamp(r.CreatedAt), UpdatedAt: apivalue.Timestamp(r.UpdatedAt), ExpiresAt: apivalue.Timestamp(r.ExpiresAt),
	}
	if len(out.Parameters) == 0 {
		out.Parameters = json.RawMessage("{}")
	}
	for _, vote := range r.Votes {
		one := approver{Ref: vote.ApproverID, Vote: vote.Verdict}
		if !vote.At.IsZero() {
			one.VotedAt = apivalue.Timestamp(vote.At)
		}
		out.Approvers = append(out.Approvers, one)
	}
	return out
}
