package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxFaults is how many broken rules one answer lists.
const maxFaults = 20

// faults collects what is wrong with one request.
type faults struct {
	fields []problem.Field
}

func (f *faults) add(detail string, tokens ...string) {
	f.fields = append(f.fields, problem.Field{Pointer: problem.Pointer(tokens...), Detail: detail})
}

// problem returns the error of what was collected, nil for nothing.
func (f *faults) problem(detail string) error {
	if len(f.fields) == 0 {
		return nil
	}
	slices.SortFunc(f.fields, func(a, b problem.Field) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Detail, b.Detail))
	})
	f.fields = slices.Compact(f.fields)

	return problem.New(problem.ValidationFailed, "%s", detail).With(f.fields[:min(len(f.fields), maxFaults)]...)
}

// visit checks a value against a schema; what is wrong is added under the pointer made of tokens, with prefix before its words.
func (f *faults) visit(schema *openapi3.Schema, value any, prefix string, tokens ...string) {
	err := schema.VisitJSON(value, openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.WithStringFormatValidators(formats))
	if err != nil {
		f.collect(err, prefix, tokens)
	}
}

// collect turns the validator's errors, which may hold values from the request, into places and words.
func (f *faults) collect(err error, prefix string, tokens []string) {
	var several openapi3.MultiError
	if list, ok := err.(openapi3.MultiError); ok { //nolint:errorlint // errors.As would look into the list
		for _, e := range list {
			f.collect(e, prefix, tokens)
		}

		return
	}
	var one *openapi3.SchemaError
	if !errors.As(err, &one) {
		f.add(prefix+wording.Invalid, tokens...)

		return
	}
	if one.SchemaField == "allOf" && errors.As(one.Origin, &several) {
		f.collect(several, prefix, tokens)

		return
	}
	f.add(prefix+words(one), append(slices.Clone(tokens), one.JSONPointer()...)...)
}

// words says which rule is broken.
func words(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "type":
		return wording.Type(s.Type.Slice())
	case "nullable":
		return wording.NotNull
	case "required":
		return wording.Required
	case "properties", "additionalProperties":
		return wording.HasUnknown
	case "enum":
		return wording.Enum(texts(s.Enum))
	case "pattern":
		return wording.Pattern(s.Pattern)
	case "format":
		return wording.Format(s.Format)
	case "minLength":
		return wording.MinLength(s.MinLength)
	case "maxLength":
		return wording.MaxLength(*s.MaxLength)
	case "minItems":
		return wording.MinItems(s.MinItems)
	case "maxItems":
		return wording.MaxItems(*s.MaxItems)
	case "uniqueItems":
		return wording.Unique
	case "minProperties":
		return wording.MinMembers(s.MinProps)
	case "maxProperties":
		return wording.MaxMembers(*s.MaxProps)
	case "multipleOf":
		return wording.MultipleOf(decimal(*s.MultipleOf))
	case "minimum", "exclusiveMinimum":
		return wording.Minimum(decimal(*s.Min), e.SchemaField == "exclusiveMinimum")
	case "maximum", "exclusiveMaximum":
		return wording.Maximum(decimal(*s.Max), e.SchemaField == "exclusiveMaximum")
	case "oneOf", "anyOf", "allOf", "not", "discriminator":
		return wording.NoMatch
	default:
		return wording.Invalid
	}
}

func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
	}

	return out
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
