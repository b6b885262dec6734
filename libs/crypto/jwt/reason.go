package jwt

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// Reason says why a token is refused. Reasons are part of the public API of the services: never renamed.
type Reason string

// The reasons.
const (
	Malformed        Reason = "malformed" // no token, or a header or a claim that has no place or no meaning in one
	WrongAlgorithm   Reason = "wrong_algorithm"
	BadSignature     Reason = "bad_signature"
	DecryptionFailed Reason = "decryption_failed"
	WrongType        Reason = "wrong_type" // "typ", or "cty" of what is encrypted
	MissingClaim     Reason = "missing_claim"
	UnexpectedClaim  Reason = "unexpected_claim"
	WrongIssuer      Reason = "wrong_issuer"
	WrongAudience    Reason = "wrong_audience"
	NotYetValid      Reason = "not_yet_valid" // "nbf" or "iat" lies in the future
	Expired          Reason = "expired"
	TooOld           Reason = "too_old" // "iat" is longer ago than the profile permits
)

// Error says that a token is refused. Its text and its Reason may reach a client.
type Error struct {
	Reason Reason
	err    error
}

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{reason, fmt.Errorf(format, args...)}
}

// Error returns the text.
func (e *Error) Error() string { return fmt.Sprintf("token refused (%s): %s", e.Reason, e.err) }

// ErrorCode returns the stable code invalid_jwt.
func (e *Error) ErrorCode() string { return fault.InvalidJWT }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }
