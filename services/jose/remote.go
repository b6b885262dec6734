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

// remoteKeys are the public key sets of others.
type remoteKeys struct {
	*federation.KeySets

	status *revocation.Checker // of the servers' certificates
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
