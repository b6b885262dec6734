package published

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

// ListenerConfig is the section of the listener without TLS.
type ListenerConfig struct {
	// Address to listen on, such as 0.0.0.0:80. Empty, as it is unless somebody decides otherwise: there is no such listener.
	Address string `koanf:"address"`
}

// Bounds of the listener, whose clients are everybody.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = time.Minute // a long list on a slow line
	idleTimeout   = 30 * time.Second
	maxHeader     = 16 << 10
	maxAtOnce     = 1024 // requests
	graceToEnd    = 5 * time.Second
)

// Listener serves signed objects over plain HTTP, on the paths of package location, and 404 on every other path. Who verifies a certificate needs
// them before he can trust a TLS connection (RFC 5280 section 8), and they carry their own signatures. It has no session, no credential and no
// tenant but the one in the path.
type Listener struct {
	log      *slog.Logger
	listener net.Listener
	server   *http.Server
}

// Listen opens the listener; nil where the configuration has none.
func Listen(ctx context.Context, cfg ListenerConfig, objects *Objects) (*Listener, error) {
	if cfg.Address == "" {
		return nil, nil //nolint:nilnil // off
	}
	var l net.ListenConfig
	listener, err := l.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("open status listener: %w", err)
	}
	log := objects.cfg.Log
	return &Listener{log: log, listener: listener, server: &http.Server{
		Handler: atOnce(maxAtOnce, objects), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Address is where it listens.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// Run serves until ctx ends.
func (l *Listener) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.server.Serve(l.listener); !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("the status listener has ended", "error", err.Error())
		}
	}()
	l.log.Info("serving lists and OCSP without TLS", "address", l.Address())
	select {
	case <-ctx.Done():
	case <-done:
		return
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceToEnd)
	defer cancel()
	if l.server.Shutdown(ending) != nil {
		_ = l.server.Close() // whoever is still served is cut off
	}
	<-done
}

// atOnce refuses requests beyond so many at once.
func atOnce(limit int, next http.Handler) http.Handler {
	places := make(chan struct{}, limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// ServeHTTP is what the listener without TLS does.
func (o *Objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	tenant, ca, rest, ok := place(r.URL.EscapedPath())
	if !ok || r.URL.RawQuery != "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	r.Body = http.MaxBytesReader(w, r.Body, ocsp.MaxRequest+1)
	list, isList := strings.CutPrefix(rest, "crl/")
	question, isQuestion := strings.CutPrefix(rest, "ocsp/")
	var err error
	switch {
	case rest == "ca.cer" && reads:
		err = o.Certificate(w, r, tenant, ca)
	case isList && reads:
		err = o.List(w, r, tenant, ca, list)
	case rest == "ocsp" && r.Method == http.MethodPost:
		o.Post(w, r, tenant, ca)
	case isQuestion && reads:
		o.Get(w, r, tenant, ca, question)
	case rest == "ca.cer" || isList || rest == "ocsp" || isQuestion:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		err = errNotFound()
	}
	o.fail(w, r, err)
}

// fail sends a status without a body: nothing unsigned leaves this listener.
func (o *Objects) fail(w http.ResponseWriter, r *http.Request, err error) {
	header := w.Header()
	switch {
	case err == nil:
		return
	case errors.Is(err, context.Canceled):
	default:
		status := http.StatusServiceUnavailable
		if problem.Is(err, problem.NotFound) {
			status = http.StatusNotFound
		} else {
			o.cfg.Log.WarnContext(r.Context(), "a signed object could not be served", "error", err.Error())
		}
		header.Set("Cache-Control", "no-store")
		w.WriteHeader(status)
	}
}

// place takes a path apart: /pki/{ca}/rest of the default tenant, /t/{tenant}/pki/{ca}/rest of another.
func place(path string) (tenant, ca, rest string, ok bool) {
	tenant = server.DefaultTenant
	if below, found := strings.CutPrefix(path, "/t/"); found {
		if tenant, path, ok = strings.Cut(below, "/"); !ok || tenant == "" {
			return "", "", "", false
		}
		path = "/" + path
	}
	below, found := strings.CutPrefix(path, "/pki/")
	if !found {
		return "", "", "", false
	}
	ca, rest, ok = strings.Cut(below, "/")
	return tenant, ca, rest, ok && ca != "" && rest != "" && !strings.Contains(tenant+ca, "%")
}
