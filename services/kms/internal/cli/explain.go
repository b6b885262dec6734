package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"syscall"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// usageError is a mistake in the command line rather than a failure.
type usageError struct{ text string }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Error names the mistake.
func (e *usageError) Error() string { return e.text }

// ExitCode is the exit status of a mistake in the command line.
func (e *usageError) ExitCode() int { return 2 }

// explain adds to an error of the client what the user can do about it.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if fix := fixFor(err); fix != "" {
		return fmt.Errorf("%w; %s", err, fix)
	}
	return err
}

// fixFor returns advice, or nothing where the error says all there is to say.
func fixFor(err error) string {
	var (
		problem     *client.Problem
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &problem):
		return fixForCode(problem.Code)
	case errors.As(err, &certificate):
		return "the root certificate in the context file is not that of this server: take the file that the server wrote or the operator gave you"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start the service, or correct its URL in the context file"
	case errors.Is(err, context.DeadlineExceeded):
		return "the service did not answer in time: `status` shows how it is"
	default:
		return ""
	}
}

// fixForCode is the advice for a problem of this code, which says by itself what happened.
func fixForCode(code string) string {
	return map[string]string{
		"unauthenticated":       "the credential was refused: check the one that the context file names for kms",
		"insufficient_scope":    "`self` shows the scopes of your credential",
		"forbidden":             "`self` shows the scopes of your credential",
		"not_found":             "`key list` shows the keys of your tenant, `key alias list` their further names",
		"conflict":              "choose another name, or add a version to that key with `key rotate`",
		"invalid_state":         "`key get` and `key version list` show the states",
		"policy_refused":        "`key get` shows what the key's policy allows, `key update` changes it",
		"precondition_failed":   "somebody else changed it at the same time: look at it and try again",
		"approval_required":     "ask the key's quorum with `approval request`, and name what it has approved with --approval",
		"approval_not_usable":   "`approval list` shows your requests and what became of them",
		"import_wrong_key":      "wrap the material for the key that `import start` printed with this token",
		"import_job_used":       "begin anew with `import start`",
		"import_job_expired":    "begin anew with `import start`",
		"import_job_exhausted":  "begin anew with `import start`",
		"step_up_required":      "give the context file a client certificate, which `credential certificate` makes, or log in again",
		"not_exportable":        "only a key created with --exportable leaves, and that cannot be changed: `backup key` keeps the others",
		"invalid_recipient":     "`recipient create` makes a key pair that is fit",
		"no_private_key":        "the version is a public key alone: whoever imported it has the private part",
		"version_compromised":   "what a compromised version made is read only with the scope kms:use-compromised",
		"version_below_minimum": "`key get` shows the key's lowest versions, `key update` changes them",
		"usage_limit_reached":   "`key rotate` gives the key a version that has had no uses",
		"invalid_jwk":           "`key get` shows the algorithm and curve that a key must have to fit",
		"key_mismatch":          "`key get` shows the algorithm and curve that a key must have to fit",
		"payload_too_large":     "larger data is encrypted by `encrypt` and signed by `sign`, which keep it here",
		"invalid_backup":        "`backup check` tells whether the file is whole; a backup of another tenant takes --from-tenant",
		"wrong_key_use":         "`key get` shows what the key is for",
		"no_public_key":         "`key get` shows what the key is for",
		"unsupported_algorithm": "for instance A256GCM/A256KW encrypts and ES256 signs",
		"decryption_failed":     "the key, the --encryption-context and the message must be those of the encryption",
		"sealed":                "an operator opens the service with `unseal`",
		"rate_limited":          "try again later",
		"overloaded":            "try again later",
		"state_unavailable":     "try again later",
		"shutting_down":         "try again later",
	}[code]
}
