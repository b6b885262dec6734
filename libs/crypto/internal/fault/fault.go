// Package fault is the error type of the cryptographic packages: a text that is safe to show to a client and a stable code that names the kind
// of failure. The edge of a service finds the code with errors.As on an interface that has ErrorCode.
package fault

import "fmt"

// Codes of the cryptographic packages. They are part of the public API of the services: never renamed.
const (
	UnsupportedAlgorithm = "unsupported_algorithm" // an algorithm that is unknown or refused by policy
	InvalidKey           = "invalid_jwk"           // a key that cannot be parsed or fails a check
	KeyMismatch          = "key_mismatch"          // a sound key that does not fit the algorithm or the operation
	InvalidJWE           = "invalid_jwe"           // malformed, or a header that policy refuses
	InvalidJWS           = "invalid_jws"           // malformed, or a header that policy refuses
	InvalidJWT           = "invalid_jwt"           // a token that its profile refuses
	InvalidSDJWT         = "invalid_sd_jwt"        // malformed, or disclosures or a key binding that break a rule
	DecryptionFailed     = "decryption_failed"
	VerificationFailed   = "verification_failed"
	InvalidInput         = "invalid_input" // a digest of the wrong length, a format the algorithm does not have

	ImportWrongKey  = "import_wrong_key" // material that the wrapping key does not open
	ImportMalformed = "import_malformed" // material that cannot be parsed, or whose parts contradict each other
	ImportMismatch  = "import_mismatch"  // material of another type, size, curve or purpose than the algorithm's
	ImportWeak      = "import_weak"      // material that an attacker can find out, or nearly so
)

// Error carries a stable code and a text without secrets.
type Error struct {
	code   string
	text   string
	detail string // for clients; empty: text
	cause  error
}

// New formats an error of the given code. The text may reach a client: it never holds key material or plaintext. %w sets the cause.
func New(code, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	e := &Error{code: code, text: wrapped.Error()}
	if u, ok := wrapped.(interface{ Unwrap() error }); ok {
		e.cause = u.Unwrap()
	}
	return e
}

// WithDetail returns the error with another text for clients, for where the first repeats what may have come from one.
func (e *Error) WithDetail(detail string) *Error {
	other := *e
	other.detail = detail
	return &other
}

// Because returns the error with a cause that errors.Is finds and the text does not tell.
func (e *Error) Because(cause error) *Error {
	other := *e
	other.cause = cause
	return &other
}

// Error returns the text.
func (e *Error) Error() string { return e.text }

// ErrorCode returns the stable code.
func (e *Error) ErrorCode() string { return e.code }

// ErrorDetail returns the text a client may see.
func (e *Error) ErrorDetail() string {
	if e.detail != "" {
		return e.detail
	}
	return e.text
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }
