package clientcli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"syscall"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// Explain adds to an error of a client what the user can do about it. advice is the service's own, by problem code; what it lacks comes from
// what holds for every service.
func Explain(err error, advice map[string]string) error {
	if err == nil {
		return nil
	}
	if fix := fixFor(err, advice); fix != "" {
		return fmt.Errorf("%w; %s", err, fix)
	}
	return err
}

// fixFor returns advice, or nothing where the error says all there is to say.
func fixFor(err error, advice map[string]string) string {
	var (
		problem     *apiclient.Problem
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &problem):
		if fix, own := advice[problem.Code]; own {
			return fix
		}
		return commonAdvice()[problem.Code]
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

// commonAdvice is what helps with problems that every service has.
func commonAdvice() map[string]string {
	return map[string]string{
		"precondition_failed": "somebody else changed it at the same time: look at it and try again",
		"step_up_required":    "give the context file a client certificate, which `credential certificate` makes, or log in again",
		"sealed":              "an operator opens the service with `unseal`",
		"rate_limited":        "try again later",
		"overloaded":          "try again later",
		"state_unavailable":   "try again later",
		"shutting_down":       "try again later",
	}
}
