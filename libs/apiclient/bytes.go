package apiclient

import (
	"encoding/base64"
	"errors"
)

// EncodeBytes writes bytes as the API carries them: base64url without padding
// (RFC 4648 section 5).
func EncodeBytes(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// DecodeBytes reads what [EncodeBytes] writes and nothing else.
func DecodeBytes(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || EncodeBytes(b) != text { // the decoder skips line breaks
		return nil, errors.New("not base64url without padding")
	}
	return b, nil
}
