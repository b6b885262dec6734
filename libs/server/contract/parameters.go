package contract

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// parameter is one path, query or header parameter.
type parameter struct {
	in, name string
	required bool
	kind     string // JSON type of the value, or of each item when it may be repeated
	repeated bool
	plain    bool // a text of which at most the length is bounded
	schema   *openapi3.Schema
}

// readParameters takes the operation's and the path's parameters, the former first where both name one.
func (o *Operation) readParameters(item *openapi3.PathItem, op *openapi3.Operation) error {
	o.queries = map[string]bool{}
	for _, ref := range append(append(openapi3.Parameters(nil), op.Parameters...), item.Parameters...) {
		p, err := newParameter(ref.Value)
		if err != nil {
			return fmt.Errorf("%s parameter %s: %w", ref.Value.In, ref.Value.Name, err)
		}
		if o.declares(p) {
			continue
		}
		o.parameters = append(o.parameters, p)
		if p.in == openapi3.ParameterInQuery {
			o.queries[p.name] = p.repeated
		}
	}

	return nil
}

func (o *Operation) declares(p parameter) bool {
	for _, q := range o.parameters {
		if q.in == p.in && q.name == p.name {
			return true
		}
	}

	return false
}

func newParameter(in *openapi3.Parameter) (parameter, error) {
	p := parameter{in: in.In, name: in.Name, required: in.Required}
	if p.in == openapi3.ParameterInHeader {
		p.name = textproto.CanonicalMIMEHeaderKey(p.name)
	}
	if p.in == openapi3.ParameterInCookie {
		return p, fmt.Errorf("cookies are the platform's")
	}
	if in.Schema == nil || in.Schema.Value == nil || in.Style != "" && in.Style != openapi3.SerializationForm && in.Style != openapi3.SerializationSimple {
		return p, fmt.Errorf("it needs a schema and its default style")
	}
	p.schema = in.Schema.Value
	if p.schema.Type.Is(openapi3.TypeArray) && p.in == openapi3.ParameterInQuery && (in.Explode == nil || *in.Explode) {
		p.repeated = true
		p.kind = typeOf(p.schema.Items)
	} else {
		p.kind = typeOf(in.Schema)
	}
	switch p.kind {
	case openapi3.TypeString, openapi3.TypeInteger, openapi3.TypeNumber, openapi3.TypeBoolean:
	default:
		return p, fmt.Errorf("it must be a string, an integer, a number or a boolean, or in the query a list of these")
	}

	p.plain = !p.repeated && p.kind == openapi3.TypeString && isPlain(p.schema)

	return p, checkSchema(in.Schema)
}

// isPlain tells whether the length is all that a string schema is about.
func isPlain(s *openapi3.Schema) bool {
	rest := *s
	rest.Type, rest.MinLength, rest.MaxLength, rest.Nullable, rest.Description, rest.Example, rest.Default, rest.Title = nil, 0, nil, false, "", nil, nil, ""

	return rest.IsEmpty()
}

func typeOf(ref *openapi3.SchemaRef) string {
	if ref == nil || ref.Value == nil || ref.Value.Type == nil || len(*ref.Value.Type) != 1 {
		return ""
	}

	return (*ref.Value.Type)[0]
}

// CheckParameters checks the parameters of a request; path gives the raw, percent-encoded text of a path parameter. A query
// parameter that the operation does not have is a fault too: a filter that is misspelt must not answer everything.
func (o *Operation) CheckParameters(r *http.Request, path func(name string) string) error {
	var fs faults
	var query url.Values
	var err error
	if r.URL.RawQuery != "" {
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return problem.New(problem.BadRequest, "the query is not well-formed")
		}
	}
	for name, values := range query {
		repeated, known := o.queries[name]
		if !known {
			fs.add("the query parameter is unknown", openapi3.ParameterInQuery, name)
		} else if len(values) > 1 && !repeated {
			fs.add("the query parameter "+wording.Duplicate, openapi3.ParameterInQuery, name)
		}
	}
	for i := range o.parameters {
		p := &o.parameters[i]
		switch p.in {
		case openapi3.ParameterInPath:
			text, err := url.PathUnescape(path(p.name))
			if err != nil {
				return problem.New(problem.BadRequest, "the path is not well-formed")
			}
			p.checkValue(text, &fs)
		case openapi3.ParameterInQuery:
			err = p.check(query[p.name], &fs)
		case openapi3.ParameterInHeader:
			err = p.check(r.Header[p.name], &fs)
		}
		if err != nil {
			return err
		}
	}

	return fs.problem("the request's parameters do not fit the operation")
}

func (p *parameter) check(values []string, fs *faults) error {
	if len(values) == 0 {
		if p.required && p.in == openapi3.ParameterInHeader && p.name == "If-Match" {
			return problem.New(problem.PreconditionRequired, "send the resource's ETag as If-Match")
		}
		if p.required {
			fs.add("the "+p.in+" parameter "+wording.Required, p.in, p.name)
		}

		return nil
	}
	if !p.repeated {
		if len(values) > 1 && p.in == openapi3.ParameterInHeader {
			fs.add("the header parameter "+wording.Duplicate, p.in, p.name)

			return nil
		}
		p.checkValue(values[0], fs)

		return nil
	}
	list := make([]any, len(values))
	for i, text := range values {
		v, ok := p.decode(text)
		if !ok {
			fs.add("the "+p.in+" parameter "+wording.Type([]string{p.kind}), p.in, p.name)

			return nil
		}
		list[i] = v
	}
	fs.visit(p.schema, list, "the "+p.in+" parameter ", p.in, p.name)

	return nil
}

func (p *parameter) checkValue(text string, fs *faults) {
	if p.plain { // nearly every path parameter, at no cost
		length := uint64(utf8.RuneCountInString(text)) //nolint:gosec // not negative
		if length < p.schema.MinLength {
			fs.add("the "+p.in+" parameter "+wording.MinLength(p.schema.MinLength), p.in, p.name)
		}
		if p.schema.MaxLength != nil && length > *p.schema.MaxLength {
			fs.add("the "+p.in+" parameter "+wording.MaxLength(*p.schema.MaxLength), p.in, p.name)
		}

		return
	}
	value, ok := p.decode(text)
	if !ok {
		fs.add("the "+p.in+" parameter "+wording.Type([]string{p.kind}), p.in, p.name)

		return
	}
	fs.visit(p.schema, value, "the "+p.in+" parameter ", p.in, p.name)
}

// decode makes a text the JSON value that the schema is about.
func (p *parameter) decode(text string) (any, bool) {
	switch p.kind {
	case openapi3.TypeInteger:
		n, err := strconv.ParseInt(text, 10, 64)

		return n, err == nil
	case openapi3.TypeNumber:
		n, err := strconv.ParseFloat(text, 64)

		return n, err == nil
	case openapi3.TypeBoolean:
		return text == "true", text == "true" || text == "false"
	default:
		return text, true
	}
}
