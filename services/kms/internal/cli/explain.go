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

func fixForCode(code string) string {
	switch code {
	case "unauthenticated":
		return "the credential was refused: check the one that the context file names for kms"
	case "insufficient_scope", "forbidden":
		return "`self` shows the scopes of your credential"
	case "not_found":
		return "`key list` shows the keys of your tenant, `key alias list` their further names"
	case "conflict":
		return "choose another name, or add a version to that key with `key rotate`"
	case "invalid_state":
		return "`key get` and `key version list` show the states"
	case "policy_refused":
		return "`key get` shows what the key's policy allows, `key update` changes it"
	case "precondition_failed":
		return "somebody else changed it at the same time: look at it and try again"
	case "approval_required":
		return "ask the key's quorum with `approval request`, and name what it has approved with --approval"
	case "approval_not_usable":
		return "`approval list` shows your requests and what became of them"
	case "import_wrong_key":
		return "wrap the material for the key that `import start` printed with this token"
	case "import_job_used", "import_job_expired", "import_job_exhausted":
		return "begin anew with `import start`"
	case "step_up_required":
		return "give the context file a client certificate, which `credential certificate` makes, or log in again"
	case "wrong_key_use", "no_public_key":
		return "`key get` shows what the key is for"
	case "unsupported_algorithm":
		return "for instance A256GCM/A256KW encrypts and ES256 signs"
	case "decryption_failed":
		return "the key, the --encryption-context and the message must be those of the encryption"
	case "sealed":
		return "an operator opens the service with `unseal`"
	case "rate_limited", "overloaded", "state_unavailable", "shutting_down":
		return "try again later"
	default:
		return ""
	}
}
