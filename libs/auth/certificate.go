package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Reasons why a certificate is refused.
var (
	errNoCertificate = errors.New("no verified client certificate")
	errAmbiguous     = errors.New("the certificate stands for clients of several tenants; name one as tenant/client in Basic, without a password")
)

// presentsCertificate tells whether the connection has a client certificate whose chain was verified.
func presentsCertificate(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && len(r.TLS.VerifiedChains[0]) > 0
}

// certified authenticates by the client certificate alone (RFC 8705 section 2). The caller may say which client it means; it must where
// several tenants have mapped the certificate, so that one tenant cannot take another's program over.
func (g *Gate) certified(ctx context.Context, r *http.Request, wants ClientRef) (*server.Principal, error) {
	if !presentsCertificate(r) {
		if wants == (ClientRef{}) {
			return nil, refuse(errNone)
		}
		return nil, refuse(errNoCertificate)
	}
	who, err := g.certificateClient(ctx, r, wants)
	if err != nil {
		return nil, err
	}
	account, err := g.account(ctx, server.KindClient, who.Tenant, who.ID)
	if errors.Is(err, ErrUnknown) {
		return nil, refuse(errUnknown)
	}
	if err != nil {
		return nil, err
	}
	may, err := g.resolve(ctx, account)
	if err != nil {
		return nil, err
	}
	now := g.cfg.Now()
	if err := may.inForce(now); err != nil {
		return nil, refuse(fmt.Errorf("client %s of tenant %s: %w", who.ID, who.Tenant, err))
	}
	principal := *may.principal
	principal.Confirmed, principal.AuthenticatedAt, principal.Methods, principal.Credential = true, now, g.byCertificate, proofOfCertificate
	principal.ExpiresAt = earlier(principal.ExpiresAt, r.TLS.VerifiedChains[0][0].NotAfter)
	return &principal, nil
}

// certificateClient finds the client that the certificate stands for, the wanted one if any. The first realm that has one decides. That the
// certificate is not revoked, the server has made sure of.
func (g *Gate) certificateClient(ctx context.Context, r *http.Request, wants ClientRef) (ClientRef, error) {
	chain := r.TLS.VerifiedChains[0]
	if now := g.cfg.Now(); now.Before(chain[0].NotBefore) || now.After(chain[0].NotAfter) { // it was valid when the connection began
		return ClientRef{}, refuse(errExpired)
	}
	for _, realm := range g.cfg.Realms {
		found, err := realm.Certificate(ctx, chain[0])
		if err != nil && !errors.Is(err, ErrUnknown) {
			return ClientRef{}, err
		}
		who, err := choose(found, wants)
		if !errors.Is(err, ErrUnknown) {
			return who, err
		}
	}
	return ClientRef{}, refuse(errUnknown)
}

func choose(found []ClientRef, wants ClientRef) (ClientRef, error) {
	if wants != (ClientRef{}) {
		for _, who := range found {
			if who == wants {
				return who, nil
			}
		}
		return ClientRef{}, ErrUnknown
	}
	switch len(found) {
	case 0:
		return ClientRef{}, ErrUnknown
	case 1:
		return found[0], nil
	default:
		return ClientRef{}, refuse(errAmbiguous)
	}
}

// Names under which a certificate can be mapped to a client.
const (
	CertificateThumbprint = "x5t#S256" // base64url SHA-256 of the certificate (RFC 8705 section 3.1)
	CertificateURI        = "uri"      // a URI among the subject alternative names
	CertificateDNS        = "dns"      // a DNS name there
	CertificateSubject    = "subject"  // the distinguished name as RFC 4514 writes it
)

// CertificateName is one name of a certificate.
type CertificateName struct{ Kind, Value string }

// CertificateNames are the names under which a certificate may be mapped, the most exact one first.
func CertificateNames(certificate *x509.Certificate) []CertificateName {
	names := []CertificateName{{CertificateThumbprint, thumbprint(certificate)}}
	for _, uri := range certificate.URIs {
		names = append(names, CertificateName{CertificateURI, uri.String()})
	}
	for _, name := range certificate.DNSNames {
		names = append(names, CertificateName{CertificateDNS, name})
	}
	if subject := certificate.Subject.String(); subject != "" {
		names = append(names, CertificateName{CertificateSubject, subject})
	}
	return names
}
