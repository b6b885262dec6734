package server

import (
	"net"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/allowlist"
)

// Config says where a server listens and what it takes. [Defaults] is the place to begin.
type Config struct {
	// Public is the listener that callers reach, MTLS the one for programs with certificates, Admin the one for this machine's operator.
	Public PublicConfig `koanf:"public"`
	MTLS   MTLSConfig   `koanf:"mtls"`
	Admin  AdminConfig  `koanf:"admin"`
	// Limits bound what one request, and all of them, can take; Rates how many may come; Access from where; CORS for whose pages; StepUp how
	// fresh an authentication must be.
	Limits Limits `koanf:"limits"`
	Rates  Rates  `koanf:"rates" live:"true"`
	Access Access `koanf:"access" live:"true"`
	CORS   CORS   `koanf:"cors" live:"true"`
	StepUp StepUp `koanf:"step_up" live:"true"`
	// DrainTimeout is how long accepted requests may take to finish once the server is asked to end.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// PublicConfig is the listener that callers reach.
type PublicConfig struct {
	// Address is IP:port; port 0 takes any free one.
	Address string `koanf:"address"`
}

// MTLSConfig is the optional listener for programs that authenticate by certificate.
type MTLSConfig struct {
	// Address is IP:port; port 0 takes any free one; empty means that there is no such listener.
	Address string `koanf:"address"`
}

// AdminConfig is the listener for the machine's own operator.
type AdminConfig struct {
	// Address is IP:port on loopback; port 0 takes any free one.
	Address string `koanf:"address"`
}

// Limits bound what one caller, and all of them, can take.
type Limits struct {
	// MaxHeader bounds the header of a request. A body's bound is its operation's.
	MaxHeader config.ByteSize `koanf:"max_header"`
	// MaxInFlight bounds the public requests that are worked on at once; beyond it the answer is 503.
	MaxInFlight int64 `koanf:"max_in_flight" live:"true"`
	// MaxInFlightPerClient bounds those of one caller among them, but never beyond three quarters of all.
	MaxInFlightPerClient int64 `koanf:"max_in_flight_per_client" live:"true"`
	// MaxStreams bounds the requests at once on one HTTP/2 connection.
	MaxStreams int `koanf:"max_streams"`
	// ReadHeaderTimeout is for the TLS handshake and a request's header, ReadTimeout for the whole request, WriteTimeout for the
	// answer, counted from the end of the header, IdleTimeout for a kept connection without requests.
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout"`
	ReadTimeout       time.Duration `koanf:"read_timeout"`
	WriteTimeout      time.Duration `koanf:"write_timeout"`
	IdleTimeout       time.Duration `koanf:"idle_timeout"`
}

// Defaults is the configuration of a server on these addresses.
func Defaults(public, admin string) Config {
	return Config{
		Public: PublicConfig{Address: public},
		Admin:  AdminConfig{Address: admin},
		Limits: Limits{
			MaxHeader:            32 * config.KiB,
			MaxInFlight:          1024,
			MaxInFlightPerClient: 512,
			MaxStreams:           128,
			ReadHeaderTimeout:    5 * time.Second,
			ReadTimeout:          30 * time.Second,
			WriteTimeout:         60 * time.Second,
			IdleTimeout:          120 * time.Second,
		},
		Rates:        defaultRates(),
		Access:       Access{ForwardedHeader: allowlist.HeaderXForwardedFor},
		StepUp:       StepUp{Person: 30 * time.Minute, Program: 5 * time.Minute},
		DrainTimeout: 30 * time.Second,
	}
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() []config.Problem {
	problems := checkAddress("public.address", c.Public.Address)
	problems = append(problems, checkAddress("admin.address", c.Admin.Address)...)
	if host, _, err := net.SplitHostPort(c.Admin.Address); err == nil && !isLoopback(host) {
		problems = append(problems, config.Problem{
			Path: "admin.address", Message: "the admin listener must be on loopback", Suggestion: "use 127.0.0.1 or [::1]",
		})
	}
	if c.MTLS.Address != "" {
		problems = append(problems, checkAddress("mtls.address", c.MTLS.Address)...)
	}
	problems = append(problems, c.checkReloadable()...)
	positive := func(path string, ok bool, least string) {
		if !ok {
			problems = append(problems, config.Problem{Path: path, Message: "is too small", Suggestion: "at least " + least})
		}
	}
	l := c.Limits
	positive("limits.max_header", l.MaxHeader >= 4*config.KiB, "4KiB")
	positive("limits.max_in_flight", l.MaxInFlight >= 1, "1")
	positive("limits.max_streams", l.MaxStreams >= 1, "1")
	for path, d := range map[string]time.Duration{
		"limits.read_header_timeout": l.ReadHeaderTimeout, "limits.read_timeout": l.ReadTimeout, "limits.write_timeout": l.WriteTimeout,
		"limits.idle_timeout": l.IdleTimeout, "drain_timeout": c.DrainTimeout,
	} {
		positive(path, d > 0, "1ms")
	}

	return problems
}

func checkAddress(path, address string) []config.Problem {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || net.ParseIP(host) == nil {
		return []config.Problem{{Path: path, Message: "is not an IP address with a port", Suggestion: "write it as 127.0.0.1:8080"}}
	}

	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)

	return ip != nil && ip.IsLoopback()
}
