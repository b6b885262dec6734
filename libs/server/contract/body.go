package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// body is what an operation takes as one media type.
type body struct {
	json   bool
	shape  *jsonscan.Shape
	schema *openapi3.Schema // nil when the scan is all there is
}

func (o *Operation) readBody(op *openapi3.Operation) error {
	batch, _, err := extension[bool](op.Extensions, extBatch)
	if err != nil {
		return err
	}
	if op.RequestBody == nil {
		if batch {
			return fmt.Errorf("%s is for operations with a body", extBatch)
		}

		return nil
	}
	o.Batch = batch
	o.bodyRequired = op.RequestBody.Value.Required
	o.bodies = map[string]*body{}
	for name, media := range op.RequestBody.Value.Content {
		if parsed, parameters, err := mime.ParseMediaType(name); err != nil || parsed != name || len(parameters) > 0 || strings.Contains(name, "*") {
			return fmt.Errorf("the media type %q must be one type, in lower case, without parameters", name)
		}
		b := &body{json: name == "application/json" || strings.HasSuffix(name, "+json")}
		o.bodies[name] = b
		if !b.json {
			continue
		}
		if media.Schema == nil {
			return fmt.Errorf("the media type %q has no schema", name)
		}
		if err := checkSchema(media.Schema); err != nil {
			return err
		}
		var err error
		if b.shape, err = newShape(media.Schema, o.Hot || o.Batch); err != nil {
			return err
		}
		if o.Batch {
			err = o.readItem(b, media.Schema.Value)
		} else if !o.Hot {
			b.schema = media.Schema.Value
		}
		if err != nil {
			return err
		}
	}

	return nil
}

// items is the member of a batch's body that holds them.
const items = "items"

// readItem takes the check of the items out of that of the body: of the latter is left what the scan sees, their number included.
func (o *Operation) readItem(b *body, schema *openapi3.Schema) error {
	list := schema.Properties[items]
	if list == nil || list.Value == nil || list.Value.Items == nil || !slices.Contains(schema.Required, items) || len(schema.Properties) != 1 {
		return fmt.Errorf("the body of a batch has one member, %s, a list that is required", items)
	}
	shape, err := newShape(list.Value.Items, o.Hot)
	if err != nil {
		return err
	}
	o.item = &body{json: true, shape: shape}
	if !o.Hot {
		o.item.schema = list.Value.Items.Value
	}
	b.shape.Member(items).Items = nil

	return nil
}

// CheckItem checks one item of a batch, as CheckBody would check it as the body of a request.
func (o *Operation) CheckItem(content []byte) error {
	if o.item == nil {
		return nil
	}

	return o.item.check(content)
}

// TakesBody tells whether a request may have a body at all.
func (o *Operation) TakesBody() bool { return o.bodies != nil }

// BodyRequired tells whether a request must have a body.
func (o *Operation) BodyRequired() bool { return o.bodyRequired }

// CheckMediaType refuses a body that the operation cannot read, before it is read.
func (o *Operation) CheckMediaType(contentType string) error {
	if _, ok := o.body(contentType); !ok {
		return problem.New(problem.UnsupportedMediaType, "send the body as %s", strings.Join(o.mediaTypes(), " or "))
	}

	return nil
}

// CheckBody checks a body in full.
func (o *Operation) CheckBody(contentType string, content []byte) error {
	b, ok := o.body(contentType)
	if !ok || !b.json {
		return nil
	}

	return b.check(content)
}

func (b *body) check(content []byte) error {
	if err := jsonscan.Scan(content, b.shape); err != nil {
		return err
	}
	if b.schema == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return problem.New(problem.BadRequest, "the body is not valid JSON").Because(err)
	}
	var fs faults
	fs.visit(b.schema, value, "")

	return fs.problem("the body does not fit the operation")
}

// body finds what the operation takes as this content type. The only parameter a JSON type may have is charset=utf-8, which says
// nothing (RFC 8259 section 11) and which some clients send.
func (o *Operation) body(contentType string) (*body, bool) {
	if b, ok := o.bodies[contentType]; ok {
		return b, true
	}
	name, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, false
	}
	b, ok := o.bodies[name]
	if !ok {
		return nil, false
	}
	if charset, ok := parameters["charset"]; ok && strings.EqualFold(charset, "utf-8") {
		delete(parameters, "charset")
	}

	return b, len(parameters) == 0
}

func (o *Operation) mediaTypes() []string { return sortedKeys(o.bodies) }
