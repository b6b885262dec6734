package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Modes of [ClientCertificates].
const (
	ClientsOff       = "off"
	ClientsRequested = "requested"
	ClientsRequired  = "required"
)

// ClientCertificates says how a listener authenticates clients by certificate.
type ClientCertificates struct {
	// Mode is off (clients are not asked; default), requested (who shows none may enter; who shows one that is not accepted may not) or required.
	Mode string `koanf:"mode"`
	// Authorities are PEM files with the authorities whose clients are accepted. They are read again when they change. None means the
	// authority of mode auto or mixed itself.
	Authorities []config.Path `koanf:"authorities"`
}

// Validate finds what does not go together. Authorities in mode off do: a program may have another listener that demands certificates.
func (c ClientCertificates) Validate() []config.Problem {
	var problems []config.Problem
	if c.Mode != "" {
		problems = append(problems, config.OneOf("mode", c.Mode, ClientsOff, ClientsRequested, ClientsRequired)...)
	}
	for i, file := range c.Authorities {
		if file == "" {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("authorities[%d]", i), Message: "is empty"})
		}
	}
	return problems
}

// asked says whether clients are asked for a certificate.
func (c ClientCertificates) asked() bool {
	return c.Mode == ClientsRequested || c.Mode == ClientsRequired
}

// auth is the mode in the words of crypto/tls. Both modes that ask verify what they get.
func (c ClientCertificates) auth() tls.ClientAuthType {
	switch c.Mode {
	case ClientsRequested:
		return tls.VerifyClientCertIfGiven
	case ClientsRequired:
		return tls.RequireAndVerifyClientCert
	default:
		return tls.NoClientCert
	}
}

// PeerError says why the certificate of a peer is not accepted, or not any more.
type PeerError struct{ cause error }

// Error is for logs.
func (e *PeerError) Error() string { return "peer certificate: " + e.cause.Error() }

// Unwrap returns the cause.
func (e *PeerError) Unwrap() error { return e.cause }

// ErrorCode is the cause's, or unauthenticated.
func (e *PeerError) ErrorCode() string {
	if coded, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](e.cause); ok {
		return coded.ErrorCode()
	}
	return "unauthenticated"
}

// errUntrusted is for a chain whose authority was removed from the configuration while its connection was open.
var errUntrusted = errors.New("its authority is not accepted any more")

// CheckPeer says whether the certificate with which a client opened its connection still admits it: dates, authorities and status as of now. It is
// for every request, because connections live on; without a certificate it returns nil. Otherwise the error is a *PeerError.
func (m *Material) CheckPeer(ctx context.Context, state *tls.ConnectionState) error {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	if m.authorities == nil || len(state.VerifiedChains) == 0 {
		return &PeerError{errors.New("it was not verified")}
	}
	if err := acceptAny(ctx, state.VerifiedChains, m.now(), m.authorities, m.status); err != nil {
		return &PeerError{err}
	}
	return nil
}

// acceptAny returns nil when one of the chains is good now, else why the first is not. Several chains lead from one leaf when authorities have
// certified each other. Without authorities any root is taken that the handshake took.
func acceptAny(ctx context.Context, chains [][]*x509.Certificate, now time.Time, authorities *Authorities, status StatusChecker) error {
	var first error
	for _, chain := range chains {
		err := accept(ctx, chain, now, authorities, status)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func accept(ctx context.Context, chain []*x509.Certificate, now time.Time, authorities *Authorities, status StatusChecker) error {
	for i, c := range chain {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return fmt.Errorf("certificate %d of its chain (%s) is valid from %s to %s (now: %s)", i+1, c.Subject, stamp(c.NotBefore), stamp(c.NotAfter), stamp(now))
		}
	}
	if authorities != nil && !authorities.trusts(chain[len(chain)-1]) {
		return errUntrusted
	}
	if status != nil {
		return status.Check(ctx, chain)
	}
	return nil
}
