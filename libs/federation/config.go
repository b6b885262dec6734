package federation

import (
	"net/url"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Fallbacks of Identity: what is done with access tokens while it is away.
const (
	// FallbackReject refuses them.
	FallbackReject = "reject_all"
	// FallbackLocal verifies them with the keys that were fetched last.
	FallbackLocal = "local_validation"
)

// Ways in which calls to a peer are authenticated.
const (
	AuthNone   = "none"
	AuthMTLS   = "mtls"                // a client certificate (RFC 8705)
	AuthBasic  = "client_secret_basic" // client id and secret, at the peer itself or, with token_url, at Identity
	AuthJWT    = "private_key_jwt"     // a signed assertion at Identity's token endpoint (RFC 7523)
	AuthBearer = "api_token"           // an API token of the peer's realm
)

// Config is the federation section.
type Config struct {
	// Enabled switches federation on; without it the service stands alone.
	Enabled bool `koanf:"enabled"`
	// Identity protects this service's API.
	Identity IdentityConfig `koanf:"identity"`
	// JOSE signs and encrypts; without it the service does so itself.
	JOSE JOSEConfig `koanf:"jose"`
	// KMS holds keys.
	KMS URLConfig `koanf:"kms"`
	// CA issues certificates.
	CA URLConfig `koanf:"ca"`
}

// IdentityConfig is the peer Identity, which has two services.
type IdentityConfig struct {
	// AuthzURL and IDPURL are the base URLs of the authorization server and of the OpenID provider.
	AuthzURL string `koanf:"authz_url"`
	IDPURL   string `koanf:"idp_url"`
	// Fallback is reject_all or local_validation (with the cached key set).
	Fallback string `koanf:"fallback"`
	// Issuers maps the issuer of an access token to the tenant that it is for.
	Issuers map[string]string `koanf:"issuers"`
	// Audience is what access tokens for this service name as audience.
	Audience string `koanf:"audience"`

	PeerConfig `koanf:",squash"`
}

// JOSEConfig is the peer JOSE.
type JOSEConfig struct {
	// JAURL is the base URL of the JWK Authority.
	JAURL string `koanf:"ja_url"`

	PeerConfig `koanf:",squash"`
}

// URLConfig is a peer with one base URL.
type URLConfig struct {
	// URL is the peer's base URL.
	URL string `koanf:"url"`

	PeerConfig `koanf:",squash"`
}

// PeerConfig is how a peer is called.
type PeerConfig struct {
	// Timeout bounds one call with its retries, of which there are at most two; 0 for 10 seconds.
	Timeout time.Duration `koanf:"timeout"`
	// Retry is about looking for the peer.
	Retry RetryConfig `koanf:"retry"`
	// Required tells that this service is not ready without the peer; otherwise it is degraded.
	Required bool `koanf:"required"`
	// RootCertificate is the PEM file of the roots that the peer's certificate chains to; empty for the system's.
	RootCertificate config.Path `koanf:"root_certificate"`
	// Auth is how this service authenticates itself.
	Auth AuthConfig `koanf:"auth"`
}

// RetryConfig is the schedule of looking for a peer.
type RetryConfig struct {
	// InitialBackoff is the first pause (0 for 1 s), doubled with each failure up to MaxBackoff (0 for 60 s).
	InitialBackoff time.Duration `koanf:"initial_backoff"`
	MaxBackoff     time.Duration `koanf:"max_backoff"`
	// MaxRetries is after how many failures the peer is reported as down (0 for 10); it is looked for every MaxBackoff for ever.
	MaxRetries int `koanf:"max_retries"`
}

// AuthConfig is how calls are authenticated.
type AuthConfig struct {
	// Method is none, mtls, api_token, client_secret_basic or private_key_jwt.
	Method string `koanf:"method"`
	// ClientID is the client's identifier, for client_secret_basic and private_key_jwt.
	ClientID string `koanf:"client_id"`
	// Secret is the client's secret or the API token.
	Secret config.Secret `koanf:"secret"`
	// Key is a private JWK that signs assertions, for private_key_jwt; for mtls the certificate's private key (PEM).
	Key config.Secret `koanf:"key"`
	// Certificate is the client's certificate chain (PEM), for mtls.
	Certificate config.Path `koanf:"certificate"`
	// TokenURL is the token endpoint at which client credentials are exchanged for an access token (RFC 6749 section 4.4).
	TokenURL string `koanf:"token_url"`
	// Scopes are those of the access token.
	Scopes []string `koanf:"scopes"`
}

// Roots are the files of root certificates that peers are configured with, each once.
func (c Config) Roots() []string {
	var files []string
	for _, peer := range []PeerConfig{c.Identity.PeerConfig, c.JOSE.PeerConfig, c.KMS.PeerConfig, c.CA.PeerConfig} {
		if file := peer.RootCertificate.String(); file != "" && c.Enabled && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// Validate implements config.Validator.
func (c Config) Validate() []config.Problem {
	if !c.Enabled {
		return nil
	}
	var problems []config.Problem
	named := false
	for path, text := range map[string]string{
		"identity.authz_url": c.Identity.AuthzURL, "identity.idp_url": c.Identity.IDPURL, "jose.ja_url": c.JOSE.JAURL, "kms.url": c.KMS.URL, "ca.url": c.CA.URL,
	} {
		if text == "" {
			continue
		}
		named = true
		if !isBaseURL(text) {
			problems = append(problems, config.Problem{Path: path, Message: "is not an https URL without path, query and user", Suggestion: "https://host:port"})
		}
	}
	if !named {
		problems = append(problems, config.Problem{Path: "enabled", Message: "no peer is named", Suggestion: "name one, such as identity.authz_url, or set enabled: false"})
	}
	return problems
}

// isBaseURL tells whether text is https://host[:port].
func isBaseURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Path == "" || u.Path == "/")
}

// Validate implements config.Validator.
func (c IdentityConfig) Validate() []config.Problem {
	if c.Fallback == "" {
		return nil
	}
	return config.OneOf("fallback", c.Fallback, FallbackReject, FallbackLocal)
}

// Validate implements config.Validator.
func (c RetryConfig) Validate() []config.Problem {
	var problems []config.Problem
	if c.InitialBackoff < 0 || c.MaxBackoff < 0 || c.MaxRetries < 0 {
		problems = append(problems, config.Problem{Path: "initial_backoff", Message: "a pause and a number of retries are not negative"})
	}
	if c.MaxBackoff > 0 && c.InitialBackoff > c.MaxBackoff {
		problems = append(problems, config.Problem{Path: "max_backoff", Message: "is shorter than initial_backoff"})
	}
	return problems
}

// Validate implements config.Validator.
func (c AuthConfig) Validate() []config.Problem {
	if c.Method == "" {
		return nil
	}
	problems := config.OneOf("method", c.Method, AuthNone, AuthMTLS, AuthBasic, AuthJWT, AuthBearer)
	need := func(path string, there bool, suggestion string) {
		if !there {
			problems = append(problems, config.Problem{Path: path, Message: "is missing; method " + c.Method + " needs it", Suggestion: suggestion})
		}
	}
	switch c.Method {
	case AuthMTLS:
		need("certificate", c.Certificate != "", "a PEM file")
		need("key", c.Key.IsSet(), "file:///path/to/key.pem")
	case AuthBearer:
		need("secret", c.Secret.IsSet(), "file:///path/to/token")
	case AuthBasic:
		need("client_id", c.ClientID != "", "the client's identifier")
		need("secret", c.Secret.IsSet(), "file:///path/to/secret")
	case AuthJWT:
		need("client_id", c.ClientID != "", "the client's identifier")
		need("key", c.Key.IsSet(), "file:///path/to/private.jwk")
		need("token_url", c.TokenURL != "", "https://identity-authz:18000/oauth2/v1/token")
	}
	if c.TokenURL != "" {
		if u, err := url.Parse(c.TokenURL); err != nil || u.Scheme != "https" || u.Host == "" {
			problems = append(problems, config.Problem{Path: "token_url", Message: "is not an https URL"})
		}
	}
	return problems
}

const (
	defaultTimeout        = 10 * time.Second
	defaultInitialBackoff = time.Second
	defaultMaxBackoff     = time.Minute
	defaultMaxRetries     = 10
)

// withDefaults fills in what is left out.
func (c PeerConfig) withDefaults() PeerConfig {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Retry.MaxBackoff <= 0 {
		c.Retry.MaxBackoff = max(defaultMaxBackoff, c.Retry.InitialBackoff)
	}
	if c.Retry.InitialBackoff <= 0 {
		c.Retry.InitialBackoff = min(defaultInitialBackoff, c.Retry.MaxBackoff)
	}
	if c.Retry.MaxRetries <= 0 {
		c.Retry.MaxRetries = defaultMaxRetries
	}
	return c
}
