package contract

import (
	"errors"
	"fmt"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// formats are the string formats that requests may use; all of them are checked.
var formats = map[string]openapi3.StringFormatValidator{
	"uuid":      openapi3.NewCallbackValidator(checkUUID),
	"date-time": openapi3.NewCallbackValidator(checkDateTime),
}

// checkUUID accepts the one form of RFC 9562 section 4.
func checkUUID(text string) error {
	if len(text) != 36 {
		return fmt.Errorf("%d characters", len(text))
	}

	return uuid.Validate(text)
}

func checkDateTime(text string) error {
	_, err := time.Parse(time.RFC3339Nano, text)

	return err
}

// checkSchema refuses a request schema that nothing would check as it is meant.
func checkSchema(ref *openapi3.SchemaRef) error {
	return walk(ref, map[*openapi3.Schema]bool{}, func(s *openapi3.Schema) error {
		switch {
		case s.ExclusiveMin.Value != nil || s.ExclusiveMax.Value != nil:
			return errors.New("a numeric exclusive bound is OpenAPI 3.1")
		case s.Format == "" || formats[s.Format] != nil:
			return nil
		case s.Type.Is(openapi3.TypeInteger) && (s.Format == "int32" || s.Format == "int64"):
			return nil
		default:
			return fmt.Errorf("the format %q is not checked; use a pattern", s.Format)
		}
	})
}

// walk visits a schema and all schemas in it. A schema that contains itself is refused: the generic validator does not descend
// into it a second time.
func walk(ref *openapi3.SchemaRef, open map[*openapi3.Schema]bool, visit func(*openapi3.Schema) error) error {
	if ref == nil || ref.Value == nil {
		return nil
	}
	s := ref.Value
	if open[s] {
		return fmt.Errorf("the schema %s contains itself", ref.Ref)
	}
	open[s] = true
	defer delete(open, s)
	if err := visit(s); err != nil {
		return err
	}
	parts := append(openapi3.SchemaRefs{s.Items, s.Not, s.AdditionalProperties.Schema}, s.AllOf...)
	parts = append(append(parts, s.AnyOf...), s.OneOf...)
	for _, name := range sortedKeys(s.Properties) {
		parts = append(parts, s.Properties[name])
	}
	for _, part := range parts {
		if err := walk(part, open, visit); err != nil {
			return err
		}
	}

	return nil
}
