package jws

import (
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// content is the payload of a message as it travels: within it, or beside it.
type content struct {
	text     string // within: encoded, or as it stands where the header says so
	compact  bool   // within a compact serialization, which limits what may stand there unencoded
	detached bool
	beside   []byte // the payload itself, if detached
}

// appendSigned appends what stands after the first period of the signing input (RFC 7515 section 5.1
// step 8, RFC 7797 section 3).
func (c *content) appendSigned(out []byte, unencoded bool) []byte {
	switch {
	case !c.detached:
		return append(out, c.text...)
	case unencoded:
		return append(out, c.beside...)
	default:
		return base64url.AppendEncode(out, c.beside)
	}
}

// payload returns the payload itself.
func (c *content) payload(unencoded bool) ([]byte, error) {
	switch {
	case c.detached:
		return c.beside, nil
	case !unencoded:
		payload, err := base64url.Decode(c.text)
		if err != nil {
			return nil, errPayload
		}
		return payload, nil
	case c.compact && !printable(c.text):
		return nil, errUnencoded
	default:
		return []byte(c.text), nil
	}
}

var errUnencoded = fault.New(fault.InvalidJWS, "an unencoded payload in a compact serialization is printable ASCII without periods")

// printable says whether an unencoded payload can stand in a compact serialization (RFC 7797 section
// 5.2): spaces and printable ASCII, without periods.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' || text[i] == '.' {
			return false
		}
	}
	return true
}
