package kmspeer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// rawJSON is a member as it stands.
type rawJSON = json.RawMessage

// maxAnswer bounds an answer of the KMS, in bytes. An RSA key with its certificates has some thousands.
const maxAnswer = 256 << 10

// request is one call.
type request struct {
	method, path string
	body         any    // nil for none
	once         string // Idempotency-Key; empty for none
}

// refusalError is what the KMS does not want to do, for callers to whom its status matters.
type refusalError struct {
	error // with the code kms_refused

	status int
}

// Unwrap returns the error with the code.
func (r *refusalError) Unwrap() error { return r.error }

func (k *Keys) call(ctx context.Context, ask request, answer any) error {
	var body io.Reader
	if ask.body != nil {
		text, err := json.Marshal(ask.body)
		if err != nil {
			return fmt.Errorf("encode request for the KMS: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, ask.method, k.peer.URL()+ask.path, body)
	if err != nil {
		return fmt.Errorf("make request for the KMS: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if ask.once != "" {
		r.Header.Set("Idempotency-Key", ask.once)
	}
	response, err := k.peer.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &federation.UnavailableError{Peer: k.peer.Name(), Err: fmt.Errorf("read answer: %w", err)}
	case len(text) > maxAnswer:
		return fmt.Errorf("the KMS answered with more than %d bytes", maxAnswer)
	case response.StatusCode/100 != 2:
		return k.refused(response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read answer of the KMS: %w", err)
	}
	return nil
}

// later are statuses of a KMS that cannot now and perhaps can later.
func later(status int) bool {
	return status >= http.StatusInternalServerError ||
		slices.Contains([]int{http.StatusTooManyRequests, http.StatusRequestTimeout}, status)
}

var codes = regexp.MustCompile(`^[a-z][a-z_]{0,63}$`)

// refused makes an error of an answer that is no success. Of what the KMS says the code alone goes on to the caller, who is nobody to it.
func (k *Keys) refused(response *http.Response, text []byte) error {
	var said struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(text, &said) // whatever it is, it was no success
	if !codes.MatchString(said.Code) {
		said.Code = "no_code"
	}
	cause := fmt.Errorf("the KMS answered %d %s: %.200s", response.StatusCode, said.Code, said.Detail)
	switch {
	case later(response.StatusCode):
		return &federation.UnavailableError{Peer: k.peer.Name(), After: wait(response.Header), Err: cause}
	case said.Code == problem.PayloadTooLarge:
		return problem.New(problem.PayloadTooLarge, "the KMS signs no message of this length").Because(cause)
	}
	return &refusalError{
		error:  problem.New(authority.CodeKMSRefused, "the KMS refuses: %s", said.Code).Because(cause),
		status: response.StatusCode,
	}
}
