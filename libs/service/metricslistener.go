package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// minMetricsToken is the shortest token, in characters.
const minMetricsToken = 32

// metricsListener answers with the metrics at /metrics.
type metricsListener struct {
	log         *slog.Logger
	listener    net.Listener
	server      *http.Server
	authorities *tlsconfig.Authorities // nil without client certificates
}

// openMetrics registers what the platform shows about itself, and opens the listener if there is to be one.
func (p *Platform) openMetrics(cfg *Config) (*metricsListener, error) {
	err := gauges{
		db: p.DB, generator: p.Generator, tls: p.tls.all(), sealed: p.Barrier.Sealed, fresh: p.Changes.Fresh, now: p.Now,
	}.register(p.Telemetry.Meter(p.description.Name))
	pull := cfg.Telemetry.Prometheus
	if err != nil || pull.Address == "" {
		return nil, err
	}
	security := p.tls.public.ServerConfig()
	var authorities *tlsconfig.Authorities
	if len(pull.Authorities) > 0 {
		authorities, err = tlsconfig.OpenAuthorities(pull.Authorities, p.Log)
		if err != nil {
			return nil, fmt.Errorf("open metrics listener: %w", err)
		}
		base := security
		security = base.Clone()
		security.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := base.Clone()
			now.ClientAuth, now.ClientCAs = tls.VerifyClientCertIfGiven, authorities.Pool()
			return now, nil
		}
	}
	if pull.Token.IsSet() {
		if _, err := metricsToken(pull.Token); err != nil {
			return nil, fmt.Errorf("open metrics listener: %w", err)
		}
	}
	var l net.ListenConfig
	listener, err := l.Listen(context.Background(), "tcp", pull.Address)
	if err != nil {
		return nil, fmt.Errorf("open metrics listener: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.Telemetry.Metrics())
	limits := cfg.Limits
	return &metricsListener{log: p.Log, listener: listener, authorities: authorities, server: &http.Server{
		Handler: admit(pull.Token, mux), TLSConfig: security, ReadHeaderTimeout: limits.ReadHeaderTimeout, ReadTimeout: limits.ReadTimeout,
		WriteTimeout: limits.WriteTimeout, IdleTimeout: limits.IdleTimeout, MaxHeaderBytes: int(limits.MaxHeader),
		ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}}, nil
}

func metricsToken(secret config.Secret) (string, error) {
	token, err := secret.ReadText()
	if err == nil && len(token) < minMetricsToken {
		err = fmt.Errorf("the token has %d characters; at least %d are needed", len(token), minMetricsToken)
	}
	return token, err
}

// admit lets those in who show a certificate, which the handshake has verified, or the token.
func admit(secret config.Secret, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) > 0 || secret.IsSet() && showsToken(secret, r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
		http.Error(w, "present the token of telemetry.prometheus.token, or a client certificate", http.StatusUnauthorized)
	})
}

func showsToken(secret config.Secret, r *http.Request) bool {
	wanted, err := metricsToken(secret)
	shown, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(wanted)) // so that the comparison tells no length
	return err == nil && found && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// run serves until ctx ends.
func (m *metricsListener) run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.server.ServeTLS(m.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("the metrics listener has ended", "error", err)
		}
	}()
	if m.authorities != nil {
		const poll = 10 * time.Second
		go m.authorities.Run(ctx, poll)
	}
	m.log.Info("serving metrics", "address", m.listener.Addr().String())
	<-ctx.Done()
	const grace = time.Second
	ending, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if m.server.Shutdown(ending) != nil {
		_ = m.server.Close()
	}
	<-done
}
