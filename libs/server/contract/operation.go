package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Bounds of a body, in bytes: what an operation takes without saying so, and the most that it can ask for.
const (
	DefaultMaxBody = 1 << 20
	LargestBody    = 64 << 20
)

// IdempotencyKey is the header that makes a POST repeatable.
const IdempotencyKey = "Idempotency-Key"

// The extensions that an operation may carry. Those of the code generator are ignored.
const (
	extScopes    = "x-scopes"
	extHot       = "x-hot"
	extStateless = "x-stateless"
	extMaxBody   = "x-max-body"
	extStepUp    = "x-step-up"
	extFeature   = "x-feature"
	extResource  = "x-resource"
	extBatch     = "x-batch"
	extAlias     = "x-alias" // of a path
	extCodegen   = "x-oapi-codegen-"
)

// Operation is one method of one path.
type Operation struct {
	// ID is the operationId.
	ID string
	// Method and Path are as in the document: the path with its parameters in braces.
	Method, Path string
	// Alias is another path at which programs find all operations of Path, outside the API's prefixes; "" for none.
	Alias string
	// Anonymous tells that anybody may call it.
	Anonymous bool
	// Scopes are alternatives, each a set of scopes that a caller must hold in full. No alternative: any caller.
	Scopes [][]string
	// Idempotent tells that a repeated call with the same Idempotency-Key has one effect and one answer.
	Idempotent bool
	// Hot tells that the body is checked by the token scan alone.
	Hot bool
	// Resource is the kind of the one resource that the operation is about, if scopes for it can be granted one by one: its handler decides about
	// the resource.
	Resource string
	// Batch tells that the body is an object whose items are checked one by one, by CheckItem, so that one bad item fails alone.
	Batch bool
	// MaxBody is the largest body in bytes.
	MaxBody int64
	// StepUp tells that the caller must have authenticated just now.
	StepUp bool
	// Feature names the feature that must be switched on; "" for none.
	Feature string

	product      string
	parameters   []parameter
	queries      map[string]bool // the query parameters; true when it may be repeated
	bodyRequired bool
	bodies       map[string]*body // by media type; nil when the operation takes no body
	item         *body            // of a batch
}

func newOperation(doc *openapi3.T, product, method, path string, item *openapi3.PathItem, op *openapi3.Operation) (*Operation, error) {
	o := &Operation{ID: op.OperationID, Method: method, Path: path, MaxBody: DefaultMaxBody, product: product}
	if o.ID == "" {
		return nil, errors.New("it has no operationId")
	}
	var err error
	if o.Alias, _, err = extension[string](item.Extensions, extAlias); err != nil {
		return nil, err
	}
	for _, read := range []func() error{
		func() error { return o.readExtensions(op) },
		func() error { return o.readSecurity(doc, op) },
		func() error { return o.readParameters(item, op) },
		func() error { return o.readBody(op) },
		o.checkRepeatable,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}

	return o, nil
}

func (o *Operation) readExtensions(op *openapi3.Operation) error {
	for name := range op.Extensions {
		if !slices.Contains([]string{extScopes, extHot, extStateless, extMaxBody, extStepUp, extFeature, extResource, extBatch}, name) && !strings.HasPrefix(name, extCodegen) {
			return fmt.Errorf("the extension %s is unknown", name)
		}
	}
	stateless, _, err := extension[bool](op.Extensions, extStateless)
	if err != nil {
		return err
	}
	if stateless && o.Method != http.MethodPost {
		return fmt.Errorf("%s is for POST", extStateless)
	}
	o.Idempotent = o.Method == http.MethodPost && !stateless
	if o.Hot, _, err = extension[bool](op.Extensions, extHot); err != nil {
		return err
	}
	if o.StepUp, _, err = extension[bool](op.Extensions, extStepUp); err != nil {
		return err
	}
	feature, stated, err := extension[string](op.Extensions, extFeature)
	if err != nil {
		return err
	}
	if stated && feature == "" {
		return fmt.Errorf("%s is empty", extFeature)
	}
	o.Feature = feature
	resource, stated, err := extension[string](op.Extensions, extResource)
	if err != nil {
		return err
	}
	if stated && resource == "" {
		return fmt.Errorf("%s is empty", extResource)
	}
	o.Resource = resource
	limit, stated, err := extension[int64](op.Extensions, extMaxBody)
	if err != nil {
		return err
	}
	if stated {
		if limit < 1 || limit > LargestBody {
			return fmt.Errorf("%s must be 1 to %d bytes", extMaxBody, LargestBody)
		}
		o.MaxBody = limit
	}

	return nil
}

// Changes tells whether the operation is there to change something. What merely uses something, such as a key, does not.
func (o *Operation) Changes() bool {
	switch o.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	case http.MethodPost:
		return o.Idempotent
	default:
		return true
	}
}

// extension reads one of the extensions of an operation or a path as a T.
func extension[T any](extensions map[string]any, name string) (value T, stated bool, err error) {
	raw, stated := extensions[name]
	if !stated {
		return value, false, nil
	}
	text, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil || raw == nil {
		return value, true, fmt.Errorf("%s must be of type %T", name, value)
	}

	return value, true, nil
}

// checkRepeatable holds the document to the rule about Idempotency-Key.
func (o *Operation) checkRepeatable() error {
	declared := slices.ContainsFunc(o.parameters, func(p parameter) bool {
		return p.in == openapi3.ParameterInHeader && p.name == IdempotencyKey
	})
	switch {
	case o.Idempotent && o.Anonymous:
		return fmt.Errorf("a POST without a caller cannot honour %s; state %s: true", IdempotencyKey, extStateless)
	case o.Idempotent && !declared:
		return fmt.Errorf("declare the header parameter %s, or state %s: true if it changes nothing", IdempotencyKey, extStateless)
	case !o.Idempotent && declared:
		return fmt.Errorf("it declares the header parameter %s and does not honour it", IdempotencyKey)
	default:
		return nil
	}
}
