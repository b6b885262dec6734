package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// appendPlain appends a string member of characters that JSON takes as they are: base64url, ids, names of algorithms.
func appendPlain(out []byte, name, value string) []byte {
	out = append(append(append(out, '"'), name...), `":"`...)
	return append(append(out, value...), '"')
}

// appendBytes appends a member in base64url.
func appendBytes(out []byte, name string, value []byte) []byte {
	out = append(append(append(out, '"'), name...), `":"`...)
	return append(base64.RawURLEncoding.AppendEncode(out, value), '"')
}

// appendUsed appends the key and the version that were used.
func appendUsed(out []byte, used keyring.Used) []byte {
	out = appendPlain(append(out, ','), "elastic_key_id", used.ElasticKeyID)
	return strconv.AppendInt(append(out, `,"version":`...), used.Version, 10)
}

// appendObject appends the members of what encoding/json makes of an answer: for actions whose cryptography costs much more.
func appendObject(out []byte, answer any) ([]byte, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return out, err
	}
	out = append(out, text[1:len(text)-1]...)
	clear(text)
	return out, nil
}
