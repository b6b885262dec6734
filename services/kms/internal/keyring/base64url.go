package keyring

import (
	"encoding/base64"
	"errors"
	"strings"
)

var errBase64URL = errors.New("not base64url without padding")

// DecodeBytes decodes base64url without padding (RFC 4648 section 5) in its one spelling: without stray bits in the last character and
// without line ends, which the standard decoder passes over even when it is strict.
func DecodeBytes(text string) ([]byte, error) {
	if strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 {
		return nil, errBase64URL
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errBase64URL
	}
	return decoded, nil
}
