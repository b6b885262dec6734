package acmeapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

const (
	contentRequest = "application/jose+json"
	contentProblem = "application/problem+json"
	contentJSON    = "application/json"
	contentChain   = "application/pem-certificate-chain"
)

// site finds the directory of a request.
func (h *handlers) site(r *http.Request) (acme.Site, error) {
	return h.server.Site(r.Context(), tenantOf(r), chi.URLParam(r, "directory"), h.origin(r)+server.PathPrefix(r.Context()))
}

func tenantOf(r *http.Request) string {
	if tenant := server.TenantFrom(r.Context()); tenant != "" {
		return tenant
	}
	return server.DefaultTenant
}

// origin is what URLs begin with.
func (h *handlers) origin(r *http.Request) string {
	if h.base != "" {
		return h.base
	}
	return "https://" + r.Host
}

// signed is what a handler gets: a request whose signature is right.
type signed struct {
	*acme.Message

	w http.ResponseWriter
	r *http.Request
}

// post opens a signed request, and gives the answer its nonce, whatever it says (RFC 8555 section 6.5).
func (h *handlers) post(by acme.Signer, do func(ctx context.Context, q signed) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		site, err := h.site(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.common(w, site)
		if err := h.giveNonce(w, site); err != nil {
			h.fail(w, r, err)
			return
		}
		body, err := readBody(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		url := h.origin(r) + r.URL.EscapedPath()
		if r.URL.RawQuery != "" {
			url += "?" + r.URL.RawQuery
		}
		m, err := h.server.Open(r.Context(), site, url, body, by)
		if err == nil {
			err = do(r.Context(), signed{Message: m, w: w, r: r})
		}
		if err != nil {
			h.fail(w, r, err)
		}
	}
}

// common sets what every answer of a directory has.
func (h *handlers) common(w http.ResponseWriter, site acme.Site) {
	w.Header().Add("Link", link(site.Base+"/directory", "index"))
	w.Header().Set("Cache-Control", "no-store")
}

func (h *handlers) giveNonce(w http.ResponseWriter, site acme.Site) error {
	nonce, err := h.server.Nonce(site)
	if err != nil {
		return err
	}
	w.Header().Set("Replay-Nonce", nonce)
	return nil
}

func link(url, relation string) string { return "<" + url + `>;rel="` + relation + `"` }

// readBody reads a request of the one media type that there is (RFC 8555 section 6.2).
func readBody(r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != contentRequest {
		refusal := acme.NewError(acme.Malformed, "requests have the content type %s", contentRequest)
		refusal.Status = http.StatusUnsupportedMediaType
		return nil, refusal
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refusal := acme.NewError(acme.Malformed, "a request has at most %d bytes", maxBody)
		refusal.Status = http.StatusRequestEntityTooLarge
		return nil, refusal
	}
	if err != nil {
		return nil, acme.NewError(acme.Malformed, "the request was not received whole")
	}
	return body, nil
}

// readAs answers a POST-as-GET as a GET.
func (h *handlers) readAs(get http.HandlerFunc) func(context.Context, signed) error {
	return func(_ context.Context, q signed) error {
		if err := q.MustRead(); err != nil {
			return err
		}
		q.w.Header().Del("Link") // the answer has its own
		get(q.w, q.r)
		return nil
	}
}

// notByGET refuses to show to anybody what is shown to its owner (RFC 8555 section 6.3).
func (h *handlers) notByGET(w http.ResponseWriter, r *http.Request) {
	refusal := acme.NewError(acme.Malformed, "the resource is read by a signed POST with an empty payload")
	refusal.Status = http.StatusMethodNotAllowed
	w.Header().Set("Allow", http.MethodPost)
	h.fail(w, r, refusal)
}

// fail writes a problem document. What a client may not know is logged.
func (h *handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := errors.AsType[*acme.Error](err)
	if !known {
		p = h.hide(r, err)
	}
	for _, name := range []string{"Location", "Retry-After"} {
		w.Header().Del(name)
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", seconds(p.RetryAfter))
	}
	if p.Location != "" {
		w.Header().Set("Location", p.Location)
	}
	status := p.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, status, contentProblem, p)
}

// hide logs an error and gives the problem that stands for it.
func (h *handlers) hide(r *http.Request, err error) *acme.Error {
	doc := server.ProblemOf(r.Context(), err)
	p := acme.NewError(acme.ServerInternal, "the server has failed")
	if doc.Status == http.StatusServiceUnavailable {
		p.Status, p.Detail, p.RetryAfter = doc.Status, "the service is not available at the moment", unavailablePause
	}
	if errors.Is(err, context.Canceled) || problem.Is(err, problem.Sealed) {
		return p
	}
	h.log.ErrorContext(r.Context(), "ACME request failed", "request_id", server.RequestIDFrom(r.Context()), "error", err)
	return p
}

// unavailablePause is when a client should ask again.
const unavailablePause = 5 * time.Second

// seconds rounds up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// write sends JSON.
func write(w http.ResponseWriter, status int, media string, value any) {
	text, err := json.Marshal(value)
	if err != nil { // the types of this package and of package acme have nothing that fails
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone if it fails
}
