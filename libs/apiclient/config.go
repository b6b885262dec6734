package apiclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Defaults of the zero fields of a [Config].
const (
	defaultTimeout = 30 * time.Second // an RSA-4096 key may take seconds to generate
	defaultRetries = 2
	defaultBackoff = 200 * time.Millisecond
)

// Config says where a service is and who calls it. It is a secret when it holds a
// credential, and hides that when printed, logged or encoded.
type Config struct {
	// URL is the address of the service's public listener, https only, such as
	// "https://keys.example.org:8000". A path is kept, for a service behind a prefix.
	URL string

	// Roots are the certificates that the server's chain must end in; nil means the
	// operating system's.
	Roots *x509.CertPool

	// Token is an API token ("cu_at_..."). It excludes ClientID and ClientSecret.
	Token string

	// ClientID and ClientSecret ("cu_cs_...") are a client's credentials.
	ClientID     string
	ClientSecret string

	// Certificate is a client certificate with its key, shown to the listener for client
	// certificates, which URL then names. It is a credential by itself, and the one that
	// operations take which demand a fresh authentication; beside ClientID and
	// ClientSecret it makes them that.
	Certificate *tls.Certificate

	// Timeout bounds one attempt of a call, its answer included; 30 s when zero.
	Timeout time.Duration

	// Retries is how often a failed call is repeated; 2 when zero, never when negative.
	Retries int

	// Backoff is the pause before the first repetition; it doubles with each further
	// one, and up to half of it is random. 200 ms when zero.
	Backoff time.Duration

	// MaxWait is the longest pause that the service may ask for (Retry-After); who is
	// told to come back later than that gets the problem at once. 30 s when zero.
	MaxWait time.Duration
}

// base returns the address of the API below c.URL.
func (c Config) base() (string, error) {
	if c.URL == "" {
		return "", errors.New("URL is empty: give the public address of the service, such as https://localhost:8000")
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", fmt.Errorf("URL: %w", err)
	}
	switch {
	case u.Scheme != "https":
		return "", fmt.Errorf("URL %q: only https:// is spoken", u.Redacted())
	case u.Hostname() == "":
		return "", fmt.Errorf("URL %q has no host", u.Redacted())
	case u.User != nil:
		return "", fmt.Errorf("URL %q holds a credential: give it as Token, or ClientID and ClientSecret", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("URL %q has a query or fragment", u.Redacted())
	}
	return u.JoinPath("service", "api", "v1").String(), nil
}

// checkCredential requires one credential.
func (c Config) checkCredential() error {
	switch client := c.ClientID != "" || c.ClientSecret != ""; {
	case c.Token != "" && client:
		return errors.New("both Token and client credentials are given: leave one out")
	case c.Token != "" && c.Certificate != nil:
		return errors.New("both Token and Certificate are given: leave one out")
	case c.Token == "" && !client && c.Certificate == nil:
		return errors.New("no credential: give Token, ClientID and ClientSecret, or Certificate")
	case client && (c.ClientID == "" || c.ClientSecret == ""):
		return errors.New("ClientID and ClientSecret go together: one is missing")
	case strings.Contains(c.ClientID, ":"): // RFC 7617 section 2
		return errors.New("ClientID holds a colon")
	}
	for _, r := range c.Token + c.ClientID + c.ClientSecret {
		if r <= ' ' || r > '~' {
			return errors.New("the credential holds white space or a character outside ASCII")
		}
	}
	return nil
}

// String describes c without its secrets.
func (c Config) String() string {
	switch {
	case c.Token != "":
		return c.URL + " with an API token"
	case c.ClientID != "":
		return c.URL + " as client " + c.ClientID
	case c.Certificate != nil:
		return c.URL + " with a client certificate"
	default:
		return c.URL
	}
}

// GoString is [Config.String], for %#v.
func (c Config) GoString() string { return c.String() }

// LogValue is [Config.String], for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is [Config.String], for encoders.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
