package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// headerRoom is how far a header may exceed its limit and still be told so by a problem document; net/http refuses more by itself.
const headerRoom = 8 * config.KiB

// adminDrain is how long the admin listener's own requests may take to finish, after the public listener has drained.
const adminDrain = 2 * time.Second

// Run serves until ctx ends or somebody asks for the end, then stops accepting, lets accepted requests finish within the drain
// timeout, and returns. The error is nil when all of them did. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.runStarted.Swap(true) {
		return errors.New("run server: it ran before")
	}
	// Requests outlive ctx: they end when they are answered, or when the drain timeout cuts them off.
	requests, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	public, admin, err := s.open(ctx, requests)
	if err != nil {
		return err
	}
	failed := make(chan error, len(public)+1)
	for _, l := range append(public[:len(public):len(public)], admin) {
		go func() { failed <- l.serve() }()
	}
	s.log.InfoContext(ctx, "serving", "public_url", s.publicURL, "mtls_url", s.mtlsURL, "admin_url", s.adminURL)
	close(s.ready)

	running := len(public) + 1
	var cause error
	select {
	case <-ctx.Done():
		s.log.InfoContext(ctx, "draining", "reason", "the process was asked to end")
	case <-s.stop:
		s.log.InfoContext(ctx, "draining", "reason", "an operator asked for shutdown")
	case cause = <-failed:
		running--
	}
	s.draining.Store(true)
	drained := drainAll(public, s.config.DrainTimeout)
	cutOff()
	_ = drain(admin.http, adminDrain) // health probes may be cut off
	for range running {
		cause = errors.Join(cause, <-failed)
	}
	if drained != nil {
		drained = fmt.Errorf("drain: requests were cut off after %s: %w", s.config.DrainTimeout, drained)
	}

	return errors.Join(cause, drained)
}

// served is a listener and what serves on it.
type served struct {
	net.Listener

	http *http.Server
}

// adminListener is the name of the listener on loopback.
const adminListener = "admin"

// open opens all listeners, or none.
func (s *Server) open(ctx, requests context.Context) (public []served, admin served, err error) {
	var opened []served
	open := func(name, address string, source TLS, h http.Handler) (served, string) {
		if err != nil {
			return served{}, ""
		}
		var l net.Listener
		if l, err = listen(ctx, name, address); err != nil {
			return served{}, ""
		}
		opened = append(opened, served{l, s.httpServer(requests, source, h, name != adminListener)})

		return opened[len(opened)-1], urlOf(l)
	}
	var plain, mutual served
	plain, s.publicURL = open("public", s.config.Public.Address, s.deps.TLS, s.public)
	public = append(public, plain)
	if s.deps.MTLS != nil {
		mutual, s.mtlsURL = open("mTLS", s.config.MTLS.Address, s.deps.MTLS, s.newListener(s.deps.MTLS, true))
		public = append(public, mutual)
	}
	admin, s.adminURL = open(adminListener, s.config.Admin.Address, s.adminTLS, s.adminHandler())
	if err != nil {
		for _, l := range opened {
			err = errors.Join(err, l.Close())
		}
	}

	return public, admin, err
}

func listen(ctx context.Context, name, address string) (net.Listener, error) {
	var l net.ListenConfig
	listener, err := l.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on the %s address %s: another process has it; stop that one or configure another port: %w", name, address, err)
	case err != nil:
		return nil, fmt.Errorf("listen on the %s address %s: %w", name, address, err)
	default:
		return listener, nil
	}
}

// urlOf is where a listener can be reached from this machine.
func urlOf(l net.Listener) string {
	host, port, _ := net.SplitHostPort(l.Addr().String()) // a TCP address has both
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}

	return "https://" + net.JoinHostPort(host, port)
}

// httpServer serves h. The admin listener has no HTTP/2: there a request wakes one goroutine instead of four one after the other, each of
// which would wait for a processor when the service is at its capacity.
func (s *Server) httpServer(requests context.Context, source TLS, h http.Handler, multiplexed bool) *http.Server {
	l := s.config.Limits
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(multiplexed)

	return &http.Server{
		Handler: h,

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is for the handler like everything else
		TLSConfig:                    tlsConfig(source),
		Protocols:                    protocols,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: l.MaxStreams},
		ReadHeaderTimeout:            l.ReadHeaderTimeout,
		ReadTimeout:                  l.ReadTimeout,
		WriteTimeout:                 l.WriteTimeout,
		IdleTimeout:                  l.IdleTimeout,
		MaxHeaderBytes:               int(l.MaxHeader + headerRoom),
		BaseContext:                  func(net.Listener) context.Context { return requests },
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what net/http says here is about strangers
	}
}

// tlsConfig holds the listener to TLS 1.3, whatever the source of certificates says.
func tlsConfig(source TLS) *tls.Config {
	c := source.ServerConfig().Clone()
	c.MinVersion = tls.VersionTLS13

	return c
}

func (l served) serve() error {
	if err := l.http.ServeTLS(l.Listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}

	return nil
}

// drainAll drains several servers at once.
func drainAll(servers []served, limit time.Duration) error {
	outcomes := make([]error, len(servers))
	var draining sync.WaitGroup
	for i, l := range servers {
		draining.Go(func() { outcomes[i] = drain(l.http, limit) })
	}
	draining.Wait()

	return errors.Join(outcomes...)
}

// drain ends a server: no new connections, no new requests on those that are there, and time for the requests that were accepted.
func drain(server *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(err, server.Close())
	}

	return nil
}
