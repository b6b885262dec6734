package acme

import (
	"encoding/base64"
	"encoding/json"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// decode reads the payload of a request, an object, once nothing stands twice in it. Members that are not known are ignored (RFC 8555 section 7.1,
// "fields that are not defined").
func (m *Message) decode(into any) error {
	if len(m.Payload) == 0 {
		return NewError(Malformed, "the payload is empty")
	}
	if err := jsonscan.Scan(m.Payload, &objectShape); err != nil {
		return NewError(Malformed, "the payload is no JSON object that can be read").because(err)
	}
	if err := json.Unmarshal(m.Payload, into); err != nil {
		return NewError(Malformed, "a member of the payload has the wrong type").because(err)
	}
	return nil
}

// objectShape is any object.
var objectShape = jsonscan.Shape{Kinds: jsonscan.Object} //nolint:gochecknoglobals // a constant in all but name

// IsRead tells whether the request is a POST-as-GET (RFC 8555 section 6.3).
func (m *Message) IsRead() bool { return len(m.Payload) == 0 }

// MustRead refuses a request that is not a POST-as-GET.
func (m *Message) MustRead() error {
	if !m.IsRead() {
		return NewError(Malformed, "the resource is read by a POST with an empty payload")
	}
	return nil
}

// decodeBytes reads base64url without padding.
func decodeBytes(what, text string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return nil, NewError(Malformed, "%s is no base64url without padding", what)
	}
	return raw, nil
}
