package revocation

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
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

// Defaults of [Config].
const (
	defaultTimeout         = 5 * time.Second
	defaultMaxCRL          = 16 * config.MiB
	defaultMaxCertificates = 16384
	defaultMaxLists        = 256
	defaultPoll            = 10 * time.Second
)

// Config is the section "revocation" of a service.
type Config struct {
	// Mode is strict (default) or permissive.
	Mode string `koanf:"mode"`
	// CRLs are revocation lists, DER or PEM, that are consulted after those that a certificate names: absolute names of files, which are read
	// again when they change, and http or https URLs.
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
	Poll     time.Duration    // how often Run looks at files; 0: 10 s
}

// Validate finds what does not go together.
func (c Config) Validate() []config.Problem {
	var problems []config.Problem
	if c.Mode != "" {
		problems = append(problems, config.OneOf("mode", c.Mode, ModeStrict, ModePermissive)...)
	}
	for i, source := range c.CRLs {
		if u, err := url.Parse(source); !strings.HasPrefix(source, "/") && (err != nil || !fetchable(source) || u.Host == "") {
			problems = append(problems, config.Problem{
				Path: fmt.Sprintf("crls[%d]", i), Message: fmt.Sprintf("%q is neither an absolute file name nor an http or https URL", source),
			})
		}
	}
	for i, entry := range c.AllowAddresses {
		if _, err := guarded.ParseAllow([]string{entry}); err != nil {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("allow_addresses[%d]", i), Message: err.Error()})
		}
	}
	for path, negative := range map[string]bool{
		"timeout": c.Timeout < 0, "max_crl": c.MaxCRL < 0, "max_certificates": c.MaxCertificates < 0, "max_lists": c.MaxLists < 0,
	} {
		if negative {
			problems = append(problems, config.Problem{Path: path, Message: "must not be negative"})
		}
	}
	return problems
}

// filled returns c with its defaults.
func (c Config) filled() Config {
	if c.Mode == "" {
		c.Mode = ModeStrict
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxCRL == 0 {
		c.MaxCRL = defaultMaxCRL
	}
	if c.MaxCertificates == 0 {
		c.MaxCertificates = defaultMaxCertificates
	}
	if c.MaxLists == 0 {
		c.MaxLists = defaultMaxLists
	}
	return c
}

// fetchable says whether a distribution point or responder can be asked by HTTP; LDAP, for one, cannot.
func fetchable(address string) bool {
	lower := strings.ToLower(address)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}
