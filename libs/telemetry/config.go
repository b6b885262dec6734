package telemetry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says what is logged and where telemetry goes. [Defaults] is a useful one; of the zero Config, missing texts and numbers are filled
// in from there, except that it samples nothing.
type Config struct {
	// LogLevel is debug, info, warn or error; it can change while the program runs ([Telemetry.SetLevel]).
	LogLevel string `koanf:"log_level" live:"true"`
	// LogFormat is json or text.
	LogFormat string `koanf:"log_format"`
	// OTLP is the collector that traces, metrics and logs are sent to.
	OTLP OTLP `koanf:"otlp"`
	// Pull keeps metrics ready for [Telemetry.Metrics], beside what is sent. The program sets it.
	Pull bool `koanf:"-"`
}

// OTLP is the collector that traces, metrics and logs are sent to (OpenTelemetry Protocol 1.x).
type OTLP struct {
	// Endpoint is http(s)://host:4318 (OTLP over HTTP, paths /v1/traces, /v1/metrics, /v1/logs are appended) or grpc(s)://host:4317.
	// Empty: nothing is sent; logs still carry trace ids.
	Endpoint string `koanf:"endpoint"`
	// RootCertificate is a PEM file with the roots that the collector's certificate is verified with; empty: the system's.
	RootCertificate string `koanf:"root_certificate,path"`
	// SampleRatio is the share of new traces, 0 to 1, that is recorded. A trace that was begun elsewhere keeps the decision made there.
	SampleRatio float64 `koanf:"sample_ratio"`
	// QueueSize bounds the spans, and the log records, that wait to be sent; what comes beyond is dropped and counted.
	QueueSize int `koanf:"queue_size"`
	// MetricInterval is the time between two exports of metrics.
	MetricInterval time.Duration `koanf:"metric_interval"`
	// Authorization returns the value of the Authorization header that the collector asks for, read anew for each export; nil for none.
	// It is sent over TLS only. The program sets it.
	Authorization func() (string, error) `koanf:"-"`
}

// Defaults logs JSON from level info, records every trace (the collector chooses what to keep) and sends nothing.
func Defaults() Config {
	return Config{
		LogLevel:  "info",
		LogFormat: "json",
		OTLP:      OTLP{SampleRatio: 1, QueueSize: 4096, MetricInterval: 15 * time.Second},
	}
}

// KeyError is a fault of one key of [Config].
type KeyError struct {
	Path    string // dotted, relative to Config
	Message string
}

// Error is path and message.
func (e *KeyError) Error() string { return e.Path + ": " + e.Message }

// KeyPath is Path.
func (e *KeyError) KeyPath() string { return e.Path }

// KeyMessage is Message.
func (e *KeyError) KeyMessage() string { return e.Message }

// Validate returns all faults, each a [KeyError], joined.
func (c Config) Validate() error {
	return c.filled().faults()
}

// faults is Validate of a Config that is filled.
func (c Config) faults() error {
	var faults []error
	fault := func(path, format string, args ...any) {
		faults = append(faults, &KeyError{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if _, err := level(c.LogLevel); err != nil {
		fault("log_level", "%v", err)
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		fault("log_format", "%q is not one of json, text", c.LogFormat)
	}
	if _, err := c.OTLP.target(); err != nil {
		fault("otlp.endpoint", "%v", err)
	}
	if t, err := c.OTLP.target(); err == nil && c.OTLP.Authorization != nil && t.address != "" && !t.secure {
		fault("otlp.endpoint", "takes a credential in clear text; write https:// or grpcs://")
	}
	if r := c.OTLP.SampleRatio; !(r >= 0 && r <= 1) {
		fault("otlp.sample_ratio", "%v is not between 0 and 1", r)
	}
	if n := c.OTLP.QueueSize; n < 0 || n > 1<<20 {
		fault("otlp.queue_size", "%d is not between 1 and %d", n, 1<<20)
	}
	if d := c.OTLP.MetricInterval; d < 100*time.Millisecond {
		fault("otlp.metric_interval", "%s is shorter than 100ms", d)
	}
	return errors.Join(faults...)
}

// filled replaces what is missing by the defaults.
func (c Config) filled() Config {
	defaults := Defaults()
	if c.LogLevel == "" {
		c.LogLevel = defaults.LogLevel
	}
	if c.LogFormat == "" {
		c.LogFormat = defaults.LogFormat
	}
	if c.OTLP.QueueSize == 0 {
		c.OTLP.QueueSize = defaults.OTLP.QueueSize
	}
	if c.OTLP.MetricInterval == 0 {
		c.OTLP.MetricInterval = defaults.OTLP.MetricInterval
	}
	return c
}

// level reads the name of a log level.
func level(name string) (slog.Level, error) {
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("%q is not one of debug, info, warn, error", name)
	}
}

// target is an endpoint taken apart.
type target struct {
	grpc, secure bool
	address      string // host:port
	path         string // before /v1/traces
}

// target takes the endpoint apart. It shows nothing of one that it refuses: people put tokens into URLs.
func (o OTLP) target() (target, error) {
	if o.Endpoint == "" {
		return target{}, nil
	}
	const form = "http(s)://host:4318 or grpc(s)://host:4317"
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return target{}, errors.New("is not a URL of the form " + form)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return target{}, errors.New("has more than scheme, host, port and path; write " + form)
	}
	t := target{secure: u.Scheme == "https" || u.Scheme == "grpcs", grpc: u.Scheme == "grpc" || u.Scheme == "grpcs"}
	port := u.Port()
	switch {
	case t.grpc && strings.Trim(u.Path, "/") != "":
		return target{}, errors.New("has a path, which grpc has not; write grpc(s)://host:4317")
	case t.grpc && port == "":
		port = "4317"
	case !t.grpc && u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("has the scheme %q; write %s", u.Scheme, form)
	case port == "":
		port = "4318"
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	t.path = strings.TrimSuffix(u.Path, "/")
	return t, nil
}

// clientTLS is how the collector is verified.
func (o OTLP) clientTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if o.RootCertificate == "" {
		return config, nil
	}
	text, err := os.ReadFile(o.RootCertificate)
	if err != nil {
		return nil, fmt.Errorf("read root certificate of the collector: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read root certificate of the collector: %s holds no certificate", o.RootCertificate)
	}
	return config, nil
}
