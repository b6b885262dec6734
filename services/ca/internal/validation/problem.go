package validation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// Kind says what went wrong, in the words of RFC 8555 section 6.7.
type Kind string

// The kinds.
const (
	KindCAA               Kind = "caa"
	KindConnection        Kind = "connection"
	KindDNS               Kind = "dns"
	KindIncorrectResponse Kind = "incorrectResponse"
	KindMalformed         Kind = "malformed"
	KindTLS               Kind = "tls"
	KindUnauthorized      Kind = "unauthorized"
)

// Error is why an identifier is not validated. Its detail may be told to whoever ordered: it repeats nothing that was received.
type Error struct {
	Kind   Kind
	Detail string
	// Passing tells that the same attempt may succeed later without anybody changing anything: nobody answered, or not in time.
	Passing bool
	cause   error
}

// Error is for logs.
func (e *Error) Error() string {
	if e.cause == nil {
		return string(e.Kind) + ": " + e.Detail
	}
	return string(e.Kind) + ": " + e.Detail + ": " + e.cause.Error()
}

// Unwrap returns the cause, which is nobody else's business.
func (e *Error) Unwrap() error { return e.cause }

func refuse(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) because(cause error) *Error {
	e.cause = cause
	return e
}

func (e *Error) passing() *Error {
	e.Passing = true
	return e
}

// fromNetwork says why nothing was received, without what the other side or the system has said.
func fromNetwork(what string, err error) *Error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL, which a redirect has made
	}
	var dns *LookupError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return fromLookup(dns)
	case errors.Is(err, guarded.ErrRedirects):
		return refuse(KindConnection, "%s: redirected too often", what).because(err)
	case errors.Is(err, guarded.ErrTooLarge):
		return refuse(KindUnauthorized, "%s: the answer is too large", what).because(err)
	case errors.Is(err, guarded.ErrBlocked):
		return refuse(KindConnection, "%s: the address, scheme or port is not one that is connected to", what).because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return refuse(KindConnection, "%s: no answer in time", what).because(err).passing()
	default:
		return refuse(KindConnection, "%s: the connection failed", what).because(err).passing()
	}
}

// fromLookup says why a name has no answer.
func fromLookup(err *LookupError) *Error {
	switch err.Reason {
	case LookupNoName:
		return refuse(KindDNS, "%s does not exist", err.Name).because(err)
	case LookupNoData:
		return refuse(KindDNS, "%s has no %s record", err.Name, err.Type).because(err)
	case LookupFailed:
		return refuse(KindDNS, "the look-up of %s records of %s failed at the name's servers, or its DNSSEC signatures are wrong", err.Type, err.Name).because(err).passing()
	default:
		return refuse(KindDNS, "no answer about %s records of %s", err.Type, err.Name).because(err).passing()
	}
}
