package validation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"time"
)

// Method is a way to prove control (RFC 8555 section 9.7.8).
type Method string

// The methods.
const (
	HTTP01    Method = "http-01"
	DNS01     Method = "dns-01"
	TLSALPN01 Method = "tls-alpn-01"
)

// Methods lists those that an identifier can be validated by: of a wildcard nothing but the zone can be looked at (RFC 8555 section 7.1.3), and an
// address has no zone of its own (RFC 8738 section 5).
func (i Identifier) Methods() []Method {
	switch {
	case i.Type == TypeIP:
		return []Method{HTTP01, TLSALPN01}
	case i.Wildcard():
		return []Method{DNS01}
	default:
		return []Method{HTTP01, DNS01, TLSALPN01}
	}
}

// Attempt is one look at a challenge.
type Attempt struct {
	Method     Method
	Identifier Identifier // perhaps a wildcard
	Token      string
	// KeyAuthorization is the token with the account key's thumbprint (RFC 8555 section 8.1).
	KeyAuthorization string
	// Targets are addresses that may be connected to although they are not public.
	Targets []netip.Prefix
	// CAA says whom the records of the name must allow; nil where they are not asked.
	CAA *Authority
}

// digest is the SHA-256 hash of the key authorization.
func (a Attempt) digest() [sha256.Size]byte { return sha256.Sum256([]byte(a.KeyAuthorization)) }

// Perspective looks from one place in the network. It may be used by many goroutines at once. Errors about the identifier are of type *Error; others mean
// that the perspective does not work.
type Perspective interface {
	// Place names it.
	Place() Place
	// Prove looks at the challenge and, where the attempt says so, at CAA.
	Prove(ctx context.Context, attempt Attempt) error
	// Allowed looks at CAA alone: see [Attempt.CAA].
	Allowed(ctx context.Context, attempt Attempt) error
}

// Place is where a perspective stands.
type Place struct {
	Name string
	// Region is the service region of the regional Internet registry, such as "RIPE NCC".
	Region string
}

// Limits of one attempt of [Local]. Zero fields get the defaults.
type Limits struct {
	// Whole bounds the attempt (10 s), Connect the connection to one address (3 s).
	Whole, Connect time.Duration
}

// Local looks from this machine.
type Local struct {
	place              Place
	resolver           Resolver
	httpPort, tlsPort  uint16
	whole, connectTime time.Duration
}

// LocalConfig is what a Local needs.
type LocalConfig struct {
	// Resolver is required.
	Resolver Resolver
	Place    Place
	Limits   Limits
	// HTTPPort and TLSPort are where validation begins and all that redirects may lead to: 0 for 80 and 443, which the standards fix.
	HTTPPort, TLSPort uint16
}

// Ports of the standards (RFC 8555 section 8.3, RFC 8737 section 3) and the default limits.
const (
	portHTTP       = 80
	portTLS        = 443
	defaultWhole   = 10 * time.Second
	defaultConnect = 3 * time.Second
)

// NewLocal makes a perspective of this machine.
func NewLocal(c LocalConfig) (*Local, error) {
	if c.Resolver == nil {
		return nil, errNoResolver
	}
	l := &Local{
		place: c.Place, resolver: c.Resolver, httpPort: c.HTTPPort, tlsPort: c.TLSPort, whole: c.Limits.Whole, connectTime: c.Limits.Connect,
	}
	if l.httpPort == 0 {
		l.httpPort = portHTTP
	}
	if l.tlsPort == 0 {
		l.tlsPort = portTLS
	}
	if l.whole <= 0 {
		l.whole = defaultWhole
	}
	if l.connectTime <= 0 {
		l.connectTime = defaultConnect
	}
	return l, nil
}

// Place implements Perspective.
func (l *Local) Place() Place { return l.place }

// Prove implements Perspective.
func (l *Local) Prove(ctx context.Context, a Attempt) error {
	ctx, cancel := context.WithTimeout(ctx, l.whole)
	defer cancel()
	if err := l.prove(ctx, a); err != nil {
		return err
	}
	return l.Allowed(ctx, a)
}

// Allowed implements Perspective.
func (l *Local) Allowed(ctx context.Context, a Attempt) error {
	if a.CAA == nil || a.Identifier.Type != TypeDNS { // RFC 8659 is about DNS names; RFC 8738 section 7 adds none for addresses
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.whole)
	defer cancel()
	return checkCAA(ctx, l.resolver, a.Identifier, a.Method, *a.CAA)
}

func (l *Local) prove(ctx context.Context, a Attempt) error {
	switch a.Method {
	case HTTP01:
		return l.http01(ctx, a)
	case DNS01:
		return l.dns01(ctx, a)
	case TLSALPN01:
		return l.tlsALPN01(ctx, a)
	default:
		return refuse(KindMalformed, "the challenge type is not known")
	}
}

// dns01 compares the TXT records of the challenge's name with the digest (RFC 8555 section 8.4).
func (l *Local) dns01(ctx context.Context, a Attempt) error {
	if a.Identifier.Type != TypeDNS {
		return refuse(KindMalformed, "dns-01 is for DNS names")
	}
	const challengeLabel = "_acme-challenge."
	texts, err := l.resolver.LookupTXT(ctx, challengeLabel+a.Identifier.Base().Value)
	if err != nil {
		return fromNetwork("TXT", err)
	}
	digest := a.digest()
	wanted := base64.RawURLEncoding.EncodeToString(digest[:])
	for _, text := range texts {
		if text == wanted {
			return nil
		}
	}
	return refuse(KindUnauthorized, "none of the %d TXT records of %s%s is the digest of the key authorization", len(texts), challengeLabel, a.Identifier.Base())
}
