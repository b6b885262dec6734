package contract_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

const batchBody = `
x-scopes: []
x-stateless: true
x-batch: true
requestBody:
  required: true
  content:
    application/json:
      schema:
        type: object
        additionalProperties: false
        required: [items]
        properties:
          items:
            type: array
            minItems: 1
            maxItems: 3
            items:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {type: string, pattern: "^[a-z]+$"}
                size: {type: integer, maximum: 9}`

// The body of a batch is checked but for its items, and each item as if it were a body: one that is wrong fails alone.
func TestCheckItem_ChecksItemsApartFromTheBody(t *testing.T) {
	t.Parallel()
	for _, hot := range []bool{false, true} {
		more := batchBody[1:]
		if hot {
			more = "x-hot: true\n" + more
		}
		op := load(t, secured, operation("post", more))
		require.True(t, op.Batch)
		for body, want := range map[string]string{
			`{"items":[{"name":"a"}]}`:               "",
			`{"items":[{"name":1},"x",null,{}]}`:     "validation_failed: /items must have at most 3 items",
			`{"items":[{"name":1},"x",{"other":2}]}`: "",
			`{"items":[]}`:                           "validation_failed: /items must have at least 1 item",
			`{}`:                                     "validation_failed: /items is required",
			`{"items":{}}`:                           "validation_failed: /items must be an array",
			`{"items":[1],"more":1}`:                 "unknown_member: /more is not a member of this object",
			`{"items":[{"name":"a","name":"b"}]}`:    "duplicate_member: /items/0/name appears twice",
			`{"items":[1]}{}`:                        "trailing_data",
			`{"items":[1}`:                           "bad_request",
		} {
			assert.Equal(t, want, faultsOf(t, op.CheckBody("application/json", []byte(body))), body)
		}
		for item, want := range map[string]string{
			`{"name":"a","size":9}`:  "",
			`{"name":1}`:             "validation_failed: /name must be a string",
			`{}`:                     "validation_failed: /name is required",
			`"x"`:                    "validation_failed:  must be an object",
			`{"name":"a","x":1}`:     "unknown_member: /x is not a member of this object",
			`{"name":"a","size":10}`: "validation_failed: /size must be at most 9",
		} {
			assert.Equal(t, want, faultsOf(t, op.CheckItem([]byte(item))), item)
		}
	}
}

func TestLoad_ABatchHasItemsAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{
		`{type: object, additionalProperties: false, required: [items], properties: {items: {type: string}}}`,
		`{type: object, additionalProperties: false, properties: {items: {type: array, items: {type: string}}}}`,
		`{type: object, additionalProperties: false, required: [items], properties: {items: {type: array, items: {type: string}}, more: {type: string}}}`,
	} {
		text := document(secured, operation("post", "x-scopes: []\nx-stateless: true\nx-batch: true\nrequestBody:\n  required: true\n  content:\n    application/json:\n      schema: "+schema))
		_, err := contract.Load(text)
		assert.ErrorContains(t, err, "the body of a batch", schema)
	}
}
