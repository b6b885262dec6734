package cli_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// settings is a service's configuration as small as the command line allows.
type settings struct {
	server.Config `koanf:",squash"`

	DataDir   config.Path `koanf:"data_dir"`
	Telemetry struct {
		LogLevel string `koanf:"log_level"`
	} `koanf:"telemetry"`
}

// program is a service that exists on its command line alone, beside a real server for its admin listener.
type program struct {
	mu      sync.Mutex
	loaded  []settings
	checked error
	start   func(ctx context.Context, s cli.Start) error
}

func (p *program) cli() cli.Program {
	return cli.Program{
		Name: "thing-server", Product: "thing", Summary: "Keeps things",
		Load: func(src config.Source) (cli.Settings, error) {
			s := settings{Config: server.Defaults("127.0.0.1:0", "127.0.0.1:0")}
			if err := config.Load(&s, src); err != nil {
				return cli.Settings{}, err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.loaded = append(p.loaded, s)
			dir := s.DataDir.String()

			return cli.Settings{DataDir: dir, AdminAddress: s.Admin.Address, RootFile: filepath.Join(dir, "tls", "root.pem")}, nil
		},
		Check: func(context.Context, config.Source) error { return p.checked },
		Start: func(ctx context.Context, s cli.Start) error { return p.start(ctx, s) },
		Migrate: func(_ context.Context, src config.Source, out io.Writer) error {
			_, err := fmt.Fprintf(out, "migrated with %s\n", filepath.Base(src.File))

			return err
		},
	}
}

// outcome is what a command line did.
type outcome struct {
	code     int
	out, err string
}

func (p *program) run(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	root := cli.Root(p.cli())
	var out, errs bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	code := cli.Main(t.Context(), root)

	return outcome{code, out.String(), errs.String()}
}

// barrierDouble is a barrier and its operator.
type barrierDouble struct {
	mu     sync.Mutex
	mode   unseal.Mode
	sealed bool
	shares []string
}

func (b *barrierDouble) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = false
}

func (b *barrierDouble) Sealed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.sealed
}

func (b *barrierDouble) Status() unseal.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := unseal.Status{Sealed: b.sealed, Mode: b.mode, Submitted: len(b.shares)}
	if b.sealed {
		s.Reason = "sealed by an operator"
	}
	if len(b.shares) > 0 {
		s.Threshold, s.SetID = 2, "set-1"
	}

	return s
}

func (b *barrierDouble) Start(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = b.mode == unseal.Shamir

	return nil
}

func (b *barrierDouble) SubmitShare(_ context.Context, text string) (unseal.Status, error) {
	b.mu.Lock()
	switch text {
	case "damaged":
		b.mu.Unlock()

		return unseal.Status{}, problem.New(problem.BadRequest, "the share 2 is damaged")
	case "broken":
		b.mu.Unlock()

		return unseal.Status{}, errors.New("canary")
	}
	b.shares = append(b.shares, text)
	b.sealed = len(b.shares) < 2
	b.mu.Unlock()

	return b.Status(), nil
}

func (b *barrierDouble) Seal(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed, b.shares = true, nil

	return nil
}

// statusWithoutMeaning contradicts itself.
func statusWithoutMeaning(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}

type nobody struct{}

func (nobody) Authenticate(context.Context, *http.Request) (*server.Principal, error) {
	return nil, problem.New(problem.Unauthenticated, "")
}

const document = `
openapi: 3.0.3
info: {title: Nothing, version: 1.0.0}
paths: {}
`

// service is a running server with its data directory and configuration file.
type service struct {
	*program
	*server.Server

	material    *tlsconfig.Material
	dir, config string
	barrier     *barrierDouble
	probe       func() error
	ended       chan error
}

func start(t *testing.T) *service {
	t.Helper()

	return startWith(t, func(*server.Deps) {})
}

// startWith starts a service with other parts.
func startWith(t *testing.T, change func(*server.Deps)) *service {
	t.Helper()
	dir := t.TempDir()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})
	require.NoError(t, err)
	s := &service{program: &program{}, material: material, dir: dir, barrier: &barrierDouble{mode: unseal.Shamir}, ended: make(chan error, 1), probe: func() error { return nil }}
	deps := server.Deps{
		Log: slog.New(slog.DiscardHandler), Tracer: tracenoop.NewTracerProvider().Tracer(""), Meter: metricnoop.NewMeterProvider().Meter(""),
		TLS: material, Auth: nobody{}, DataDir: dir, Barrier: s.barrier, Operator: s.barrier,
		API:    server.API{Document: []byte(document), Mount: func(chi.Router, server.ErrorHandlers) {}},
		Checks: []server.Check{{Name: "peer", Probe: func(context.Context) error { return s.probe() }}},
	}
	change(&deps)
	s.Server, err = server.New(server.Defaults("127.0.0.1:0", "127.0.0.1:0"), deps)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		s.ended <- s.Run(ctx)
		close(s.ended)
	}()
	t.Cleanup(func() {
		cancel()
		for err := range s.ended {
			assert.NoError(t, err)
		}
	})
	<-s.Ready()
	s.config = filepath.Join(dir, "thing.yaml")
	s.write(t, s.config, fmt.Sprintf("data_dir: .\nadmin: {address: %q}\n", strings.TrimPrefix(s.AdminURL(), "https://")))

	return s
}

// tls is the configuration of a listener with the service's own certificate.
func (s *service) tls(t *testing.T) *tls.Config {
	t.Helper()
	c := s.material.ServerConfig()
	hello := &tls.ClientHelloInfo{SupportedProtos: []string{"http/1.1"}}
	certificate, err := c.GetCertificate(hello)
	require.NoError(t, err)
	c.Certificates = []tls.Certificate{*certificate}

	return c
}

// root is the certificate in root.pem.
func (s *service) root(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "tls", "root.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(text)

	return block.Bytes
}

func (s *service) write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}
