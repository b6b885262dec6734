package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Delegate is a delegated responder of a CA: its certificate, and its key behind the barrier.
type Delegate struct {
	Tenant, CAID, ID    string
	Certificate         []byte // DER
	WrappedKey          string
	NotBefore, NotAfter time.Time
	CreatedAt           time.Time
}

// purposeResponder is the purpose of a responder's key behind the barrier.
const purposeResponder = "ca/responder-key"

// Binding is what the wrapped key of a delegate is bound to.
func Binding(d Delegate) barrier.Binding {
	return barrier.Binding{
		Tenant: d.Tenant, Purpose: purposeResponder, ID: d.ID,
		Attributes: []barrier.Attribute{{Name: "ca", Value: d.CAID}, {Name: "certificate", Value: hex.EncodeToString(d.Certificate)}},
	}
}

// Keys seals what is stored. Every method fails with barrier.ErrSealed while it is sealed.
type Keys interface {
	// Tenant opens a tenant's keys for wrapping. It may use SQL, so it comes before a transaction.
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	// Unwrap opens a wrapped value whose binding matches.
	Unwrap(ctx context.Context, binding barrier.Binding, wrapped string) ([]byte, error)
}

var _ Keys = (*barrier.Barrier)(nil)

// Generator makes key material.
type Generator interface {
	// Take returns a new key of the kind, from a pool where there is one.
	Take(ctx context.Context, spec alg.Spec) (*jwk.Key, error)
}

// Delegates makes delegated responders and renews them. It is safe for concurrent use.
type Delegates struct {
	cfg DelegatesConfig
}

// DelegatesConfig is what Delegates needs; everything is required.
type DelegatesConfig struct {
	Store        ResponderStore
	Certificates CertificateStore
	Certifier    Certifier
	Keys         Keys
	Generator    Generator
	Events       Events
	Now          func() time.Time
}

// NewDelegates returns Delegates; an error names what the configuration lacks.
func NewDelegates(cfg DelegatesConfig) (*Delegates, error) {
	if cfg.Store == nil || cfg.Certificates == nil || cfg.Certifier == nil || cfg.Keys == nil || cfg.Generator == nil || cfg.Events == nil || cfg.Now == nil {
		return nil, errors.New("delegates: Store, Certificates, Certifier, Keys, Generator, Events and Now are required")
	}
	return &Delegates{cfg: cfg}, nil
}

// responderAlgorithm is what responders sign with: quick, and understood by everybody.
const responderAlgorithm = "ES256"

// renewAt is the share of a responder's life after which it is renewed: two thirds.
const (
	renewAfter = 2
	renewOf    = 3
)

// ResponderProfile is the profile of responders' certificates.
const ResponderProfile = "ocsp-responder"

// Renew makes a new responder for a CA that delegates and has none, or whose last one is about to expire, was revoked, or is of a former certificate of the CA.
// One replica at a time does it.
func (d *Delegates) Renew(ctx context.Context, issuer *Issuer) error {
	if issuer.Manual || !issuer.Signs || !issuer.Delegates {
		return nil
	}
	last, err := d.cfg.Store.Delegate(ctx, issuer.Tenant, issuer.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read OCSP responder: %w", err)
	}
	if err == nil {
		renewal := last.NotBefore.Add(last.NotAfter.Sub(last.NotBefore) * renewAfter / renewOf)
		if usable, err := d.usable(ctx, issuer, last); err != nil || usable && d.cfg.Now().Before(renewal) {
			return err
		}
	}
	return d.make(ctx, issuer)
}

// usable tells whether whoever verifies would believe a delegate.
func (d *Delegates) usable(ctx context.Context, issuer *Issuer, of Delegate) (bool, error) {
	parsed, err := x509.ParseCertificate(of.Certificate)
	now := d.cfg.Now()
	if err != nil || now.Before(parsed.NotBefore) || now.After(parsed.NotAfter) || parsed.CheckSignatureFrom(issuer.Certificate) != nil {
		return false, nil //nolint:nilerr // one that cannot be read is of no use
	}
	serial, err := certificate.SerialOf(parsed.SerialNumber)
	if err != nil {
		return false, nil //nolint:nilerr // likewise
	}
	c, err := d.cfg.Certificates.Status(ctx, of.Tenant, serial.String())
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the status of an OCSP responder: %w", err)
	}
	return c.State != Revoked, nil
}

// make makes a responder.
func (d *Delegates) make(ctx context.Context, issuer *Issuer) error {
	spec, err := alg.ParseSpec(responderAlgorithm, 0, "")
	if err != nil {
		return err
	}
	wrapper, err := d.cfg.Keys.Tenant(ctx, issuer.Tenant)
	if err != nil {
		return fmt.Errorf("open the barrier: %w", err)
	}
	key, err := d.cfg.Generator.Take(ctx, spec)
	if err != nil {
		return fmt.Errorf("generate the key of an OCSP responder: %w", err)
	}
	defer key.Zero()
	signer, ok := key.Material().(crypto.Signer)
	if !ok {
		return errors.New("the key of an OCSP responder does not sign")
	}
	der, err := d.cfg.Certifier.CertifyResponder(ctx, issuer.Tenant, issuer.ID, signer.Public())
	if err != nil {
		return fmt.Errorf("certify an OCSP responder: %w", err)
	}
	made, err := d.row(issuer, der)
	if err != nil {
		return err
	}
	text, err := key.MarshalPrivate()
	if err != nil {
		return fmt.Errorf("encode the key of an OCSP responder: %w", err)
	}
	defer clear(text)
	if made.WrappedKey, err = wrapper.Wrap(Binding(made), text); err != nil {
		return fmt.Errorf("wrap the key of an OCSP responder: %w", err)
	}
	return d.keep(ctx, made)
}

func (d *Delegates) row(issuer *Issuer, der []byte) (Delegate, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return Delegate{}, fmt.Errorf("read the certificate of an OCSP responder: %w", err)
	}
	if err := parsed.CheckSignatureFrom(issuer.Certificate); err != nil {
		return Delegate{}, fmt.Errorf("the certificate of an OCSP responder is not the CA's: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Delegate{}, fmt.Errorf("make id: %w", err)
	}
	return Delegate{
		Tenant: issuer.Tenant, CAID: issuer.ID, ID: id.String(), Certificate: der, NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter,
		CreatedAt: d.cfg.Now().UTC().Truncate(time.Microsecond),
	}, nil
}

// keep stores a responder with its event.
func (d *Delegates) keep(ctx context.Context, made Delegate) error {
	err := d.cfg.Certificates.InTx(ctx, func(ctx context.Context) error {
		if err := d.cfg.Store.AddDelegate(ctx, made, d.cfg.Now()); err != nil {
			return err
		}
		return d.cfg.Events.Record(ctx, Event{Tenant: made.Tenant, Action: ActionRenew, CAID: made.CAID, Detail: made.ID})
	})
	if err != nil {
		return fmt.Errorf("store an OCSP responder: %w", err)
	}
	return nil
}
