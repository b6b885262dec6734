package unseal

// Codes of the platform's problem table.
const (
	badRequest   = "bad_request"
	invalidState = "invalid_state"
)

// refusal is an error that the submitter caused and may read.
type refusal struct {
	code  string
	cause error
}

func refuse(code string, cause error) error { return &refusal{code, cause} }

func (r *refusal) Error() string       { return "unseal: " + r.cause.Error() }
func (r *refusal) Unwrap() error       { return r.cause }
func (r *refusal) ErrorCode() string   { return r.code }
func (r *refusal) ErrorDetail() string { return r.cause.Error() }
