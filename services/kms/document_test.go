package kms_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
)

// Whoever makes a client of the document needs no other text: everything is described, every body has an example that is one, errors have
// codes that exist, and what is sent has limits.
func TestDocument_NeedsNoOtherText(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("api/openapi.yaml")
	require.NoError(t, err)
	d, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	codes := problem.Platform()
	maps.Copy(codes, httpapi.Codes())

	sent, bodies := map[string]bool{}, map[string]bool{}
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			at := method + " " + path
			assert.NotEmpty(t, op.Summary, at)
			saysItsCodes(t, at, op.Description, codes)
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				assert.NotEmpty(t, p.Value.Description, "%s: %s", at, p.Value.Name)
				isBounded(t, at+": "+p.Value.Name, p.Value.Schema)
			}
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Value.Content {
					within(media.Schema, sent)
					bodies[nameOf(media.Schema)] = true
				}
			}
			for _, response := range op.Responses.Map() {
				assert.NotEmpty(t, *response.Value.Description, at)
				for _, media := range response.Value.Content {
					bodies[nameOf(media.Schema)] = true
				}
			}
		}
	}
	for name, schema := range d.Components.Schemas {
		isDescribed(t, name, schema)
		if sent[name] {
			isBounded(t, name, schema)
		}
		if schema.Value.Example != nil {
			require.NoError(t, schema.Value.VisitJSON(schema.Value.Example), "the example of %s", name)
		} else {
			assert.False(t, bodies[name], "%s has no example", name)
		}
	}
}

func nameOf(s *openapi3.SchemaRef) string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// saysItsCodes looks for the codes that a description names.
func saysItsCodes(t *testing.T, at, description string, known problem.Table) {
	t.Helper()
	_, list, found := strings.Cut(description, "Codes")
	assert.True(t, found, "%s says nothing of its codes", at)
	for _, code := range regexp.MustCompile("`([a-z]+_[a-z_]+)`").FindAllStringSubmatch(list, -1) {
		_, there := known[code[1]]
		assert.True(t, there || slices.Contains([]string{"generate_failed", "pending_generate"}, code[1]), "%s: there is no code %s", at, code[1])
	}
}

// isDescribed holds for every property, by itself or by the schema it names.
func isDescribed(t *testing.T, at string, s *openapi3.SchemaRef) {
	t.Helper()
	for name, property := range s.Value.Properties {
		assert.NotEmpty(t, property.Value.Description, "%s/%s", at, name)
		if property.Ref == "" {
			isDescribed(t, at+"/"+name, property)
		}
	}
}

// isBounded holds for texts and lists that are sent.
func isBounded(t *testing.T, at string, s *openapi3.SchemaRef) {
	t.Helper()
	v := s.Value
	switch {
	case v.Type.Is("string"):
		// Bytes are bounded by the body, and times by their form.
		assert.True(t, v.MaxLength != nil || len(v.Enum) > 0 || v.Pattern != "" || v.Format != "" || strings.HasSuffix(at, "Timestamp"), "%s has no limit", at)
	case v.Type.Is("array"):
		assert.NotNil(t, v.MaxItems, "%s has no limit", at)
		isBounded(t, at+"/*", v.Items)
	case v.Type.Is("integer"):
		assert.True(t, v.Min != nil || len(v.Enum) > 0, "%s has no limit", at)
	}
	for name, property := range v.Properties {
		if property.Ref == "" {
			isBounded(t, at+"/"+name, property)
		}
	}
}

// within collects the schemas that a body is made of.
func within(s *openapi3.SchemaRef, names map[string]bool) {
	if s == nil || s.Value == nil {
		return
	}
	if name := nameOf(s); name != "" {
		if names[name] {
			return
		}
		names[name] = true
	}
	for _, property := range s.Value.Properties {
		within(property, names)
	}
	within(s.Value.Items, names)
	for _, part := range slices.Concat(s.Value.AllOf, s.Value.OneOf, s.Value.AnyOf) {
		within(part, names)
	}
}
