package accesstoken

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

const (
	// leeway is how far clocks may be apart (RFC 7519 section 4.1.4).
	leeway = 10 * time.Second
	// maxLocalLifetime is how long a token may live that is taken on its signature alone.
	maxLocalLifetime = 5 * time.Minute
)

// Reasons why claims are refused. They are logged.
var (
	errIssuer    = errors.New("an issuer that is not configured")
	errAudience  = errors.New("not for this service")
	errExpired   = errors.New("expired")
	errTooEarly  = errors.New("not valid yet, or issued in the future")
	errMissing   = errors.New("a mandatory claim is missing")
	errContrary  = errors.New("the claims contradict each other")
	errWithdrawn = errors.New("withdrawn with all tokens of its subject")
)

// check decides about claims of a known issuer, whoever says them.
func (v *Verifier) check(c *claims, now time.Time) error {
	switch {
	case c.subject == "", c.client == "", c.expires.IsZero():
		return errMissing
	case !slices.Contains(c.audience, v.cfg.Audience):
		return errAudience
	case !now.Before(c.expires.Add(leeway)):
		return errExpired
	case now.Add(leeway).Before(c.notBefore), now.Add(leeway).Before(c.issued), now.Add(leeway).Before(c.authenticated):
		return errTooEarly
	case !c.issued.IsZero() && !c.expires.After(c.issued):
		return fmt.Errorf("%w: it expires before it is issued", errContrary)
	case c.program() && !c.authenticated.IsZero():
		// A person's subject that equals a client's id would make the one pass for the other (RFC 9068 section 5).
		return fmt.Errorf("%w: the subject is the client, yet a person was authenticated", errContrary)
	}
	return nil
}

// checkToken is check for the claims of a JWT, of which RFC 9068 section 2.2 demands more.
func (v *Verifier) checkToken(c *claims, now time.Time) error {
	if c.issued.IsZero() || c.id == "" {
		return errMissing
	}
	return v.check(c, now)
}

// program tells whether the client acts for itself (RFC 9068 section 2.2).
func (c *claims) program() bool { return c.subject == c.client }

// principal is whom the claims describe.
func (v *Verifier) principal(c *claims, issuer Issuer) server.Principal {
	p := server.Principal{
		Tenant: issuer.Tenant, Realm: Realm, Kind: server.KindUser, ID: c.subject, Scopes: v.ownScopes(c.scopes), Methods: c.methods,
		AuthenticatedAt: c.authenticated, ExpiresAt: c.expires,
	}
	if c.program() {
		p.Kind, p.AuthenticatedAt = server.KindClient, c.issued
	}
	return p
}

// ownScopes are those of this product, each once.
func (v *Verifier) ownScopes(scopes []string) []string {
	own := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if strings.HasPrefix(scope, v.prefix) && !slices.Contains(own, scope) {
			own = append(own, scope)
		}
	}
	return slices.Clip(own)
}

// withdrawn is nil for a token that is of its subject's current epoch, or says nothing of one.
func (v *Verifier) withdrawn(c *claims, tenant string) error {
	if v.cfg.Epochs == nil || !c.hasEpoch {
		return nil
	}
	current, err := v.cfg.Epochs.Current(tenant, c.subject)
	if err != nil {
		return fmt.Errorf("epoch of the subject: %w", err)
	}
	if c.epoch < current {
		return errWithdrawn
	}
	return nil
}
