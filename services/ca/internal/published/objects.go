// Package published serves what CAs sign for everybody: revocation lists, OCSP responses (RFC 6960 appendix A, RFC 5019 section 5) and the CAs' own
// certificates. Its main type is [Objects]; [Listener] serves them without TLS.
package published

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// Config is what Objects need; everything is required.
type Config struct {
	Lists     *revocation.Lists
	Responder *revocation.Responder
	Issuers   revocation.Issuers
	Log       *slog.Logger
	Now       func() time.Time
	// MaxAge is how long caches may keep a list.
	MaxAge time.Duration
}

// Objects serves signed objects.
type Objects struct {
	cfg Config
}

// New returns Objects; an error names what the configuration lacks.
func New(cfg Config) (*Objects, error) {
	if cfg.Lists == nil || cfg.Responder == nil || cfg.Issuers == nil || cfg.Log == nil || cfg.Now == nil || cfg.MaxAge < 0 {
		return nil, errors.New("published objects: Lists, Responder, Issuers, Log and Now are required")
	}
	return &Objects{cfg: cfg}, nil
}

// errNotFound is for whoever asks for what there is not.
func errNotFound() error { return problem.New(problem.NotFound, "nothing is published here") }

// List serves the list of a CA with the name in the URL. An error means that nothing was sent.
func (o *Objects) List(w http.ResponseWriter, r *http.Request, tenant, ca, name string) error {
	list, err := o.cfg.Lists.Find(r.Context(), tenant, ca, name)
	if errors.Is(err, revocation.ErrNotFound) {
		return errNotFound()
	}
	if err != nil {
		return err
	}
	now, header, tag := o.cfg.Now(), w.Header(), `"`+list.Tag()+`"`
	age := max(min(o.cfg.MaxAge, list.NextUpdate.Sub(now)), 0)
	header.Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(age/time.Second), 10))
	header.Set("Last-Modified", list.ThisUpdate.UTC().Format(http.TimeFormat))
	header.Set("ETag", tag)
	if etag.NoneMatch(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/pkix-crl")
	header.Set("Content-Length", strconv.FormatInt(list.Size, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	if err := o.cfg.Lists.WriteTo(r.Context(), w, list); err != nil { // the client sees a content that is too short
		o.cfg.Log.WarnContext(r.Context(), "a revocation list was cut off", "ca", ca, "number", list.Number, "error", err.Error())
	}
	return nil
}

// Certificate serves the certificate of a CA. An error means that nothing was sent.
func (o *Objects) Certificate(w http.ResponseWriter, r *http.Request, tenant, ca string) error {
	issuer, err := o.cfg.Issuers.Issuer(r.Context(), tenant, ca)
	if errors.Is(err, revocation.ErrNotFound) {
		return errNotFound()
	}
	if err != nil {
		return err
	}
	body, header := issuer.Certificate.Raw, w.Header()
	header.Set("Cache-Control", "public, max-age=3600")
	header.Set("ETag", etag.OfContent(body))
	if etag.NoneMatch(r.Header.Get("If-None-Match"), etag.OfContent(body)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/pkix-cert")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // a certificate, sent as one; the client is gone if it fails
	return nil
}

// Post answers an OCSP request in the body.
func (o *Objects) Post(w http.ResponseWriter, r *http.Request, tenant, ca string) {
	if media := r.Header.Get("Content-Type"); media != ocsp.RequestType {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, ocsp.MaxRequest+1)) // what is longer is malformed
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := o.answer(r.Context(), tenant, ca, body)
	w.Header().Set("Cache-Control", "no-store")
	send(w, answer.DER)
}

// Get answers an OCSP request in the last part of the path, escaped.
func (o *Objects) Get(w http.ResponseWriter, r *http.Request, tenant, ca, path string) {
	request, err := ocsp.DecodePath(path)
	if err != nil {
		request = nil // malformed
	}
	answer := o.answer(r.Context(), tenant, ca, request)
	if answer.Fresh == nil {
		w.Header().Set("Cache-Control", "no-store")
		send(w, answer.DER)
		return
	}
	answer.Fresh.SetHeaders(w.Header(), o.cfg.Now())
	if etag.NoneMatch(r.Header.Get("If-None-Match"), w.Header().Get("ETag")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, answer.DER)
}

func (o *Objects) answer(ctx context.Context, tenant, ca string, request []byte) revocation.Answer {
	answer, err := o.cfg.Responder.Answer(ctx, tenant, ca, request)
	if err != nil {
		o.cfg.Log.WarnContext(ctx, "an OCSP request could not be answered", "ca", ca, "error", err.Error())
	}
	return answer
}

// send sends an OCSP response. It is 200 also where the response says no (RFC 6960 appendix A.2).
func send(w http.ResponseWriter, der []byte) {
	w.Header().Set("Content-Type", ocsp.ResponseType)
	w.Header().Set("Content-Length", strconv.Itoa(len(der)))
	_, _ = w.Write(der) // the client is gone if it fails
}
