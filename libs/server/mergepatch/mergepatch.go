// Package mergepatch applies JSON merge patches (RFC 7396): what the patch has replaces what is there, null removes it, and what it does
// not name stays.
package mergepatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// ContentType is the media type of a patch.
const ContentType = "application/merge-patch+json"

// maxDepth is how deep a patch may nest: deeper than any resource, and no danger to the stack.
const maxDepth = 64

// Apply returns current with the patch applied. T is a struct whose JSON is the resource as callers may write it: a member that T does
// not have is an error with the code unknown_member, a value of another type validation_failed, and whatever is no JSON object
// bad_request. Numbers keep their digits.
func Apply[T any](current T, patch []byte) (T, error) {
	var none T
	change, err := read(patch)
	if err != nil {
		return none, problem.New(problem.BadRequest, "the body is not valid JSON").Because(err)
	}
	object, ok := change.(map[string]any)
	if !ok {
		return none, problem.New(problem.BadRequest, "a merge patch of a resource is a JSON object")
	}
	text, err := json.Marshal(current)
	if err != nil {
		return none, fmt.Errorf("merge patch: %w", err)
	}
	target, err := read(text)
	if err != nil {
		return none, fmt.Errorf("merge patch: %w", err)
	}
	merged, err := merge(target, object, 0)
	if err != nil {
		return none, err
	}
	if text, err = json.Marshal(merged); err != nil {
		return none, fmt.Errorf("merge patch: %w", err)
	}

	return decode[T](text)
}

// decode reads the result, strictly.
func decode[T any](text []byte) (result T, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&result)
	var mistyped *json.UnmarshalTypeError
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &mistyped):
		var none T

		return none, problem.New(problem.ValidationFailed, "a member has another type").Because(err)
	default: // the text is JSON that was made here: what remains is a member that T does not have, or a value that its type refuses
		var none T
		code := problem.ValidationFailed
		if isUnknown(err) {
			code = problem.UnknownMember
		}

		return none, problem.New(code, "the patch does not fit the resource").Because(err)
	}
}

// isUnknown recognises the decoder's complaint about a member, for which it has no type.
func isUnknown(err error) bool {
	return bytes.HasPrefix([]byte(err.Error()), []byte("json: unknown field "))
}

// merge is MergePatch of RFC 7396 section 2.
func merge(target any, patch map[string]any, depth int) (any, error) {
	if depth == maxDepth {
		return nil, problem.New(problem.BadRequest, "the patch nests too deep")
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(object, name)
		case map[string]any:
			merged, err := merge(object[name], value, depth+1)
			if err != nil {
				return nil, err
			}
			object[name] = merged
		default:
			object[name] = value
		}
	}

	return object, nil
}

func read(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data follows the value")
	}

	return value, nil
}
