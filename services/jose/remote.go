package jose

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// remoteKeys are the public key sets and certificates of others.
type remoteKeys struct {
	*federation.KeySets

	status *revocation.Checker // of the servers' certificates, and of those that tokens are signed by
}

// openRemoteKeys prepares to fetch key sets. It fetches none.
func openRemoteKeys(cfg Config, p *service.Platform) (r remoteKeys, err error) {
	c := cfg.RemoteKeys
	allow, err := guarded.ParseAllow(c.AllowAddresses)
	if err != nil {
		return r, fmt.Errorf("remote_keys.allow_addresses: %w", err)
	}
	// A root that somebody has configured is one of this installation, as far as certificates that name no responder are concerned.
	var own []*x509.Certificate
	var roots *x509.CertPool
	if c.RootCertificate != "" {
		if own, err = tlsconfig.ReadCertificates(c.RootCertificate.String()); err != nil {
			return r, fmt.Errorf("remote_keys.root_certificate: %w", err)
		}
		roots = x509.NewCertPool()
		for _, root := range own {
			roots.AddCert(root)
		}
	}
	if r.status, err = revocation.New(cfg.Revocation, revocation.Options{OwnRoots: own, Now: p.Now, Log: p.Log}); err != nil {
		return r, err
	}
	security := tlsconfig.Outgoing{Status: r.status}.Config()
	security.RootCAs = roots
	client, err := guarded.New(guarded.Config{Allow: allow, TLS: security, MaxBody: jwk.MaxSetText})
	if err != nil {
		return r, err
	}
	r.KeySets = federation.NewKeySets(client, c.Sets, p.Now)
	return r, nil
}

// watch follows the status of certificates until ctx ends.
func (r remoteKeys) watch(ctx context.Context) {
	defer r.status.Close()
	r.status.Run(ctx)
}

// Key implements authority.RemoteKeys.
func (r remoteKeys) Key(ctx context.Context, url, kid string) (*jwk.Key, error) {
	key, err := r.KeySets.Key(ctx, url, kid)
	if errors.Is(err, federation.ErrUnknownKey) {
		return nil, fmt.Errorf("%w: %w", authority.ErrNoKey, err)
	}
	return key, err
}

// Status implements authority.RemoteKeys. A certificate that names nobody to ask passes unless a configured list says otherwise: a profile names
// its anchors one by one, as the configuration names this installation's.
func (r remoteKeys) Status(ctx context.Context, chain []*x509.Certificate) error {
	for i := 0; i+1 < len(chain); i++ {
		err := r.status.Check(ctx, chain[i:i+2])
		silent := len(chain[i].OCSPServer) == 0 && len(chain[i].CRLDistributionPoints) == 0
		switch {
		case errors.Is(err, revocation.ErrRevoked):
			return fmt.Errorf("%w: %w", authority.ErrRevoked, err)
		case err != nil && !silent:
			return err
		}
	}
	return nil
}
