package reference

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// view is what the page shows.
type view struct {
	Title, Product, Style, Integrity string

	Documents []documentView
	Codes     []code
}

// documentView is one document: operations by subject, and the shapes of their bodies.
type documentView struct {
	Name, Title, Description string

	Servers  []base
	Subjects []subject
	Schemas  []schemaView
}

// base is where the operations stand.
type base struct{ URL, Description string }

// subject is a tag with its operations.
type subject struct {
	Name, Description string

	Operations []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Description string

	Alias      string
	Scopes     []string
	Notes      []string
	Parameters []member
	Bodies     []body
	Answers    []answer
}

// member is a parameter, a header or a property.
type member struct {
	Name, In, Type, Link, Limits, Description, Example string

	Required bool
}

type body struct {
	MediaType, Type, Link, Example string

	Members []member // where the shape has no name
}

type answer struct {
	Status, Description string

	Headers []member
	Bodies  []body
}

type schemaView struct {
	Name, Type, Limits, Description, Example string

	Members []member
}

func documentOf(name string, d *openapi3.T) documentView {
	view := documentView{Name: name, Title: d.Info.Title, Description: d.Info.Description}
	for _, s := range d.Servers {
		view.Servers = append(view.Servers, base{s.URL, s.Description})
	}
	byTag := map[string]*subject{}
	for _, tag := range d.Tags {
		byTag[tag.Name] = &subject{Name: tag.Name, Description: tag.Description}
	}
	var order []string
	for _, path := range d.Paths.InMatchingOrder() {
		item := d.Paths.Value(path)
		for _, method := range methods() {
			op := item.GetOperation(method)
			if op == nil {
				continue
			}
			tag := "operations"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			if byTag[tag] == nil {
				byTag[tag] = &subject{Name: tag}
			}
			if !slices.Contains(order, tag) {
				order = append(order, tag)
			}
			byTag[tag].Operations = append(byTag[tag].Operations, operationOf(name, method, path, item, op))
		}
	}
	for _, tag := range d.Tags { // in the document's order, and then what has no description
		if slices.Contains(order, tag.Name) {
			view.Subjects = append(view.Subjects, byPath(byTag[tag.Name]))
		}
	}
	for _, tag := range order {
		if d.Tags.Get(tag) == nil {
			view.Subjects = append(view.Subjects, byPath(byTag[tag]))
		}
	}
	if d.Components != nil {
		for _, schema := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
			view.Schemas = append(view.Schemas, schemaOf(name, schema, d.Components.Schemas[schema].Value))
		}
	}

	return view
}

func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// byPath has operations in the order of their paths, as people look for them.
func byPath(s *subject) subject {
	slices.SortStableFunc(s.Operations, func(a, b operationView) int { return cmp.Compare(a.Path, b.Path) })

	return *s
}

func operationOf(document, method, path string, item *openapi3.PathItem, op *openapi3.Operation) operationView {
	view := operationView{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	view.Alias, _ = item.Extensions["x-alias"].(string)
	if scopes, ok := op.Extensions["x-scopes"].([]any); ok {
		for _, scope := range scopes {
			view.Scopes = append(view.Scopes, fmt.Sprint(scope))
		}
	}
	if stepUp, _ := op.Extensions["x-step-up"].(bool); stepUp {
		view.Notes = append(view.Notes, "Needs a fresh authentication: step_up_required otherwise.")
	}
	if resource, _ := op.Extensions["x-resource"].(string); resource != "" {
		view.Notes = append(view.Notes, "Also allowed by a grant on the single "+resource+".")
	}
	if op.Security != nil && len(*op.Security) == 0 {
		view.Notes = append(view.Notes, "Anybody may call it.")
	}
	if largest, ok := op.Extensions["x-max-body"].(float64); ok {
		view.Notes = append(view.Notes, "The body has at most "+number(largest)+" bytes.")
	}
	for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
		view.Parameters = append(view.Parameters, parameterOf(document, p.Value))
	}
	if op.RequestBody != nil {
		view.Bodies = bodiesOf(document, op.RequestBody.Value.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) { // numbers stand before "default"
		response := op.Responses.Value(status).Value
		a := answer{Status: status, Bodies: bodiesOf(document, response.Content)}
		if response.Description != nil {
			a.Description = *response.Description
		}
		for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
			header := response.Headers[name].Value
			m := memberOf(document, name, header.Schema, false)
			m.Description = header.Description
			a.Headers = append(a.Headers, m)
		}
		view.Answers = append(view.Answers, a)
	}

	return view
}

func parameterOf(document string, p *openapi3.Parameter) member {
	m := memberOf(document, p.Name, p.Schema, p.Required)
	m.In = p.In
	m.Description = cmp.Or(p.Description, m.Description)
	m.Example = cmp.Or(exampleOf(p.Example), m.Example)

	return m
}

func bodiesOf(document string, content openapi3.Content) (bodies []body) {
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		media := content[mediaType]
		b := body{MediaType: mediaType, Example: exampleOf(media.Example)}
		if media.Schema != nil {
			b.Type, b.Link = typeOf(document, media.Schema)
			if b.Example == "" && media.Schema.Value != nil {
				b.Example = exampleOf(media.Schema.Value.Example)
			}
			if media.Schema.Ref == "" {
				b.Members = membersOf(document, media.Schema.Value)
			}
		}
		bodies = append(bodies, b)
	}

	return bodies
}

func schemaOf(document, name string, s *openapi3.Schema) schemaView {
	kind, _ := typeOf(document, &openapi3.SchemaRef{Value: s})

	return schemaView{
		Name: name, Type: kind, Limits: limitsOf(s), Description: s.Description, Example: exampleOf(s.Example), Members: membersOf(document, s),
	}
}

// membersOf are the properties of an object, and of those that it is made of.
func membersOf(document string, s *openapi3.Schema) (members []member) {
	if s == nil {
		return nil
	}
	for _, part := range s.AllOf {
		members = append(members, membersOf(document, part.Value)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		members = append(members, memberOf(document, name, s.Properties[name], slices.Contains(s.Required, name)))
	}

	return members
}

func memberOf(document, name string, ref *openapi3.SchemaRef, required bool) member {
	m := member{Name: name, Required: required}
	if ref == nil || ref.Value == nil {
		return m
	}
	m.Type, m.Link = typeOf(document, ref)
	m.Limits, m.Description, m.Example = limitsOf(ref.Value), ref.Value.Description, exampleOf(ref.Value.Example)

	return m
}

// typeOf is how a shape is called, and the anchor of its own section, if it has one.
func typeOf(document string, ref *openapi3.SchemaRef) (kind, link string) {
	if name, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok {
		return name, document + "-" + name
	}
	s := ref.Value
	if s == nil {
		return "", ""
	}
	switch {
	case s.Type.Is("array") && s.Items != nil:
		of, link := typeOf(document, s.Items)

		return "list of " + of, link
	case len(s.AllOf) == 1 && len(s.Properties) == 0:
		return typeOf(document, s.AllOf[0])
	case len(s.OneOf)+len(s.AnyOf) > 0:
		var kinds []string
		for _, one := range append(slices.Clone(s.OneOf), s.AnyOf...) {
			kind, at := typeOf(document, one)
			kinds, link = append(kinds, kind), at
		}
		if len(kinds) > 1 {
			link = ""
		}

		return strings.Join(kinds, " or "), link
	case s.Type == nil || len(*s.Type) == 0:
		return "any", ""
	default:
		kind = strings.Join(*s.Type, " or ")
		if s.Format != "" {
			kind += ", " + s.Format
		}

		return kind, ""
	}
}

// limitsOf says in words what values are taken.
func limitsOf(s *openapi3.Schema) string {
	var limits []string
	add := func(format string, args ...any) { limits = append(limits, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		var words []string
		for _, value := range s.Enum {
			words = append(words, fmt.Sprint(value))
		}
		add("one of %s", strings.Join(words, ", "))
	}
	span(add, "characters", s.MinLength, s.MaxLength)
	span(add, "items", s.MinItems, s.MaxItems)
	span(add, "members", s.MinProps, s.MaxProps)
	if s.Min != nil {
		add("at least %s", number(*s.Min))
	}
	if s.Max != nil {
		add("at most %s", number(*s.Max))
	}
	if s.Pattern != "" {
		add("as %s", s.Pattern)
	}
	if s.Default != nil {
		add("%v when absent", s.Default)
	}
	if s.Nullable {
		add("may be null")
	}

	return strings.Join(limits, "; ")
}

func span(add func(string, ...any), what string, least uint64, most *uint64) {
	switch {
	case most != nil && least > 0:
		add("%d to %d %s", least, *most, what)
	case most != nil:
		add("at most %d %s", *most, what)
	case least > 0:
		add("at least %d %s", least, what)
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func exampleOf(value any) string {
	if value == nil {
		return ""
	}
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return ""
	}

	return string(text)
}
