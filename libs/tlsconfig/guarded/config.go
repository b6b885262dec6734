package guarded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// Defaults of [Config].
const (
	defaultTimeout        = 10 * time.Second
	defaultConnectTimeout = 3 * time.Second
	defaultHeaderTimeout  = 5 * time.Second
	defaultMaxHeader      = 32 * config.KiB
	defaultMaxBody        = config.MiB
	maxRedirects          = 10
)

// Config says what a client may reach and how much it takes. The zero value is the strictest.
type Config struct {
	// Allow holds addresses that are admitted although they are not public, as prefixes (10.1.0.0/16) or single addresses (127.0.0.1). An
	// address of a cloud's metadata service is admitted only by an entry for it alone.
	Allow []netip.Prefix
	// Ports are those that may be dialled; none for any.
	Ports []uint16
	// PlainHTTP admits http:// beside https://, for objects that are signed themselves.
	PlainHTTP bool
	// Timeout bounds one request with its redirects and its body (10 s), ConnectTimeout the connection to one address and the TLS handshake
	// each (3 s), HeaderTimeout the wait for the whole header of an answer (5 s).
	Timeout, ConnectTimeout, HeaderTimeout time.Duration
	// MaxBody bounds an answer's body (1 MiB), MaxHeader its header (32 KiB).
	MaxBody, MaxHeader config.ByteSize
	// MaxRedirects is how many redirects of a GET or HEAD are followed, at most 10; 0 for none, in which case the redirect is the answer.
	MaxRedirects int
	// TLS is for https; nil for TLS 1.3 and the system's roots.
	TLS *tls.Config
	// Resolver finds addresses; nil for the system's.
	Resolver Resolver
}

// Resolver finds the addresses of a name. network is "ip". [*net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ParseAllow reads the entries of an allow list, "10.1.0.0/16" or "127.0.0.1".
func ParseAllow(entries []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, entry := range entries {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			address, addressErr := netip.ParseAddr(entry)
			if addressErr != nil || address.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a prefix such as 10.1.0.0/16", entry)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		if prefix != prefix.Masked() {
			return nil, fmt.Errorf("%q has bits beyond its prefix; write %s", entry, prefix.Masked())
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// filled returns c with its defaults.
func (c Config) filled() (Config, error) {
	if c.Timeout < 0 || c.ConnectTimeout < 0 || c.HeaderTimeout < 0 || c.MaxBody < 0 || c.MaxHeader < 0 || c.MaxRedirects < 0 {
		return c, errors.New("limits must not be negative")
	}
	if c.MaxRedirects > maxRedirects {
		return c, fmt.Errorf("at most %d redirects can be followed", maxRedirects)
	}
	for _, prefix := range c.Allow {
		if !prefix.IsValid() {
			return c, errors.New("the allow list holds an invalid prefix")
		}
	}
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.ConnectTimeout, defaultConnectTimeout)
	setDefault(&c.HeaderTimeout, defaultHeaderTimeout)
	setDefault(&c.MaxBody, defaultMaxBody)
	setDefault(&c.MaxHeader, defaultMaxHeader)
	if c.TLS == nil {
		c.TLS = tlsconfig.ClientConfig(nil)
	}
	if c.Resolver == nil {
		c.Resolver = &net.Resolver{}
	}
	return c, nil
}

// setDefault replaces a zero.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
