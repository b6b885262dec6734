package keyring

import "github.com/cryptoutil/cryptoutil/libs/server/apivalue"

// DecodeBytes decodes base64url without padding (RFC 4648 section 5) in its one spelling.
func DecodeBytes[T ~string | ~[]byte](text T) ([]byte, error) { return apivalue.Decode("", text) }
