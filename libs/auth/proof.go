package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// proofOfCertificate is the Credential of a principal who came by a client certificate alone. Which one, whatever goes on is bound to.
const proofOfCertificate = methodCertificate

// errReplaced is a credential that was right once.
var errReplaced = errors.New("the credential that it began with is not the account's any more")

// proof names the credential behind a stored hash in a principal, so that what began with it can end with it. The hash of a salted hash gives
// nothing away.
func proof(method, hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return method + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Continue returns the account as it is in force now, for what goes on after an authentication, such as a session. was is who was authenticated
// then; r is the request by which it goes on. The caller adds how and when it was authenticated. The code is unauthenticated when the account has
// gone, is disabled or has expired, and when the credential of then is not the account's any more.
func (g *Gate) Continue(ctx context.Context, r *http.Request, was *server.Principal) (*server.Principal, error) {
	now, err := g.inForce(ctx, was.Tenant, was.Realm, was.Kind, was.ID)
	if err != nil {
		return nil, err
	}
	switch was.Credential {
	case "": // nobody knows
	case proofOfCertificate:
		if r == nil || !presentsCertificate(r) {
			return nil, refuse(errNoCertificate)
		}
		if _, err := g.certificateClient(ctx, r, ClientRef{was.Tenant, was.ID}); err != nil {
			return nil, err
		}
	default:
		if !now.account.proves(was.Credential, g.cfg.Now()) {
			return nil, refuse(errReplaced)
		}
	}
	return now.principal, nil
}

// proves tells whether a credential is the account's.
func (a *Account) proves(credential string, now time.Time) bool {
	for _, secret := range a.Secrets {
		if proof(methodSecret, secret.Hash) == credential {
			return secret.ExpiresAt.IsZero() || now.Before(secret.ExpiresAt)
		}
	}
	return a.Password != "" && proof(methodPassword, a.Password) == credential
}
