package authority

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/certificate"
)

// Codes of errors about certificates.
const (
	CodeInvalidCertificate = "invalid_certificate"
	CodeNoCertificate      = "no_certificate"
)

// CertificateRequest is what a certification authority is given (PKCS #10).
type CertificateRequest struct {
	KID     string
	Version int64
	PEM     string
}

// RequestCertificate makes a request for a certificate of a version (0: the active one), signed by the version itself. A version that is
// pending can be certified before it is used.
func (a *Authority) RequestCertificate(
	ctx context.Context, caller Caller, ref Ref, number int64, subject certificate.Subject,
) (CertificateRequest, error) {
	p, held, err := a.use(ctx, caller, OpCertify, ref, number)
	if err != nil {
		return CertificateRequest{}, err
	}
	defer held.Release()
	key, err := a.signer(ctx, p, held)
	if err != nil {
		return CertificateRequest{}, err
	}
	text, err := certificate.Request(key, p.spec.Signature, subject)
	if bad, ok := errors.AsType[*certificate.NameError](err); ok {
		return CertificateRequest{}, invalid(fmt.Sprintf("/%s/%d", bad.Kind, bad.At), "it is malformed")
	}
	if err != nil {
		return CertificateRequest{}, err
	}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		return a.events.Record(ctx, keyEvent(ActionRequestCertificate, p.key, p.version.Number))
	})
	if err != nil {
		return CertificateRequest{}, err
	}
	return CertificateRequest{KID: p.version.KID(), Version: p.version.Number, PEM: text}, nil
}

// SetCertificate stores the chain, in PEM, that a certification authority made for a version (0: the active one), in place of the one before.
func (a *Authority) SetCertificate(ctx context.Context, caller Caller, ref Ref, number int64, text string) (Version, error) {
	p, held, err := a.use(ctx, caller, OpCertify, ref, number)
	if err != nil {
		return Version{}, err
	}
	defer held.Release()
	chain, err := certificate.Parse(text)
	if err != nil {
		return Version{}, errCertificate(err)
	}
	public, err := held.Key().Public()
	if err != nil {
		return Version{}, err
	}
	if err := chain.Check(public.Material(), a.now()); err != nil {
		return Version{}, errCertificate(err)
	}
	return a.storeCertificate(ctx, p.key, p.version, chain, ActionCertify)
}

// RemoveCertificate forgets the chain of a version (0: the active one).
func (a *Authority) RemoveCertificate(ctx context.Context, caller Caller, ref Ref, number int64) error {
	p, err := a.certified(ctx, caller, OpUncertify, ref, number)
	if err != nil {
		return err
	}
	_, err = a.storeCertificate(ctx, p.key, p.version, nil, ActionUncertify)
	return err
}

// Certificate reads a version (0: the active one) that has a chain, whether the chain is valid now or not.
func (a *Authority) Certificate(ctx context.Context, caller Caller, ref Ref, number int64) (Version, error) {
	p, err := a.certified(ctx, caller, OpRead, ref, number)
	return p.version, err
}

func (a *Authority) certified(ctx context.Context, caller Caller, op Operation, ref Ref, number int64) (permit, error) {
	p, err := a.permit(ctx, caller, op, ref, number)
	if err == nil && p.version.Certificate == nil {
		err = problem.New(problem.NotFound, "the version has no certificate")
	}
	return p, err
}

// storeCertificate replaces the chain of a version; nil removes it.
func (a *Authority) storeCertificate(
	ctx context.Context, key Key, version Version, chain *certificate.Chain, action string,
) (changed Version, err error) {
	text := ""
	if chain != nil {
		text = chain.PEM()
	}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = a.store.SetCertificate(ctx, version, text, a.instant()); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent(action, key, version.Number))
	})
	if errors.Is(err, ErrStale) {
		return Version{}, errConflict()
	}
	if err != nil {
		return Version{}, fmt.Errorf("store certificate: %w", err)
	}
	return changed, nil
}

// Certified tells whether a version has a chain that is valid now.
func (a *Authority) Certified(version Version) bool {
	return version.Certificate != nil && version.Certificate.ValidAt(a.now())
}

// dated is the key of a version with its certificates if they are valid at a time, and without them otherwise. It is the lease's own, or shares
// its material: it lives no longer.
func dated(key *jwk.Key, version Version, now time.Time) *jwk.Key {
	if version.Certificate == nil || version.Certificate.ValidAt(now) {
		return key
	}
	plain := *key
	plain.Certificates = nil
	return &plain
}

// certify attaches the chain of a version to its key, as it was opened. A chain is public, and says itself whose it is: one that somebody has
// put into the row of another key is refused here.
func certify(opened *jwk.Key, text string) error {
	if text == "" {
		return nil
	}
	chain, err := certificate.Parse(text)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	public, err := opened.Public()
	if err != nil {
		return err
	}
	if _, err := jwk.FromMaterial(public.Material(), jwk.Attributes{Certificates: chain.DER()}); err != nil {
		return errors.New("its certificate is of another key") // the row was changed by hand: no caller's fault
	}
	opened.Certificates = chain.DER()
	return nil
}

// errCertificate is the refusal of a chain, with the reason.
func errCertificate(reason error) error {
	return problem.New(CodeInvalidCertificate, "%s", strings.TrimSuffix(reason.Error(), "."))
}

func errNoCertificate() error {
	return problem.New(CodeNoCertificate, "the version that signs has no certificate that is valid now")
}
