package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

// identity is by whom the responses about one CA's certificates are signed. Where it has no delegate, the CA itself signs them.
type identity struct {
	issuer    *Issuer
	names     map[ocsp.Name]struct{}
	responder *ocsp.Responder
	until     time.Time // end of the responder's certificate

	delegate *Delegate         // nil where the CA signs
	parsed   *x509.Certificate // the delegate's

	mu  sync.RWMutex // held for reading while the key is used
	key *jwk.Key     // of the delegate, while it is open; guarded by mu
}

// close zeroes the key when nobody uses it. Whoever needs it opens it again.
func (i *identity) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.key != nil {
		i.key.Zero()
	}
	i.key = nil
}

// identify opens a CA's identity: by its delegate where there is one that is usable.
func (r *Responder) identify(ctx context.Context, tenant, ca string) (*identity, error) {
	issuer, err := r.cfg.Issuers.Issuer(ctx, tenant, ca)
	if err != nil {
		return nil, err
	}
	if issuer.Manual {
		return nil, ErrNotFound // no root signs responses
	}
	i := &identity{issuer: issuer, names: map[ocsp.Name]struct{}{}, until: issuer.Certificate.NotAfter}
	names, err := ocsp.IssuerNames(issuer.Certificate)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		i.names[name] = struct{}{}
	}
	if err := r.delegated(ctx, i); err != nil {
		return nil, err
	}
	if i.delegate == nil {
		if !issuer.Signs {
			return nil, ErrNotFound
		}
		if i.responder, err = ocsp.NewResponder(issuer.Certificate, issuer.Certificate, issuer.Algorithm); err != nil {
			return nil, err
		}
	}
	r.keep(i)
	return i, nil
}

// delegated takes the CA's delegate, if there is one that others would believe.
func (r *Responder) delegated(ctx context.Context, i *identity) error {
	d, err := r.cfg.Store.Delegate(ctx, i.issuer.Tenant, i.issuer.ID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the CA's OCSP responder: %w", err)
	}
	usable, err := r.cfg.Delegates.usable(ctx, i.issuer, d)
	if err != nil || !usable {
		return err
	}
	if i.parsed, err = x509.ParseCertificate(d.Certificate); err != nil {
		return fmt.Errorf("read the certificate of an OCSP responder: %w", err)
	}
	if i.responder, err = ocsp.NewResponder(i.issuer.Certificate, i.parsed, 0); err != nil {
		return err
	}
	i.delegate, i.until = &d, i.parsed.NotAfter
	return nil
}

// open unwraps the delegate's key.
func (r *Responder) open(ctx context.Context, i *identity) (*jwk.Key, error) {
	text, err := r.cfg.Keys.Unwrap(ctx, Binding(*i.delegate), i.delegate.WrappedKey)
	if err != nil {
		return nil, fmt.Errorf("open the key of an OCSP responder: %w", err)
	}
	defer clear(text)
	key, err := jwk.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("decode the key of an OCSP responder: %w", err)
	}
	if err := isKeyOf(i.parsed, key); err != nil {
		key.Zero()
		return nil, err
	}
	return key, nil
}

// isKeyOf refuses a key that is not the certificate's.
func isKeyOf(c *x509.Certificate, key *jwk.Key) error {
	signer, ok := key.Material().(crypto.Signer)
	if !ok {
		return errors.New("the key of an OCSP responder does not sign")
	}
	public, ok := signer.Public().(interface {
		Equal(other crypto.PublicKey) bool
	})
	if !ok || !public.Equal(c.PublicKey) {
		return errors.New("the key of an OCSP responder is not the one of its certificate")
	}
	return nil
}

// sign signs a response by the delegate's key, or the CA's.
func (r *Responder) sign(ctx context.Context, i *identity, response ocsp.Response) ([]byte, error) {
	if i.delegate == nil {
		signer, release, err := r.cfg.Issuers.Signer(ctx, i.issuer.Tenant, i.issuer.ID)
		if err != nil {
			return nil, fmt.Errorf("open the CA's key: %w", err)
		}
		defer release()
		return i.responder.Sign(response, signer)
	}
	i.mu.RLock()
	for i.key == nil {
		i.mu.RUnlock()
		if err := r.reopen(ctx, i); err != nil {
			return nil, err
		}
		i.mu.RLock()
	}
	defer i.mu.RUnlock()
	signer, ok := i.key.Material().(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of an OCSP responder does not sign")
	}
	return i.responder.Sign(response, signer)
}

// reopen opens the delegate's key unless somebody else has.
func (r *Responder) reopen(ctx context.Context, i *identity) (err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.key == nil {
		i.key, err = r.open(ctx, i)
	}
	return err
}

// keep remembers an identity in place of the one before, whose key is closed.
func (r *Responder) keep(i *identity) {
	at := [2]string{i.issuer.Tenant, i.issuer.ID}
	r.mu.Lock()
	before := r.identified[at]
	r.identified[at] = i
	r.mu.Unlock()
	if before != nil {
		before.close()
	}
}

// Forget closes every responder's key, as sealing must. Responses that were signed before are still given.
func (r *Responder) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.identified {
		i.close()
	}
}
