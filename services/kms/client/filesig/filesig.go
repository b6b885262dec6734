// Package filesig is the statement that a file signature signs. A file is hashed
// where it lies and only the statement goes to the KMS, so that files of any size can
// be signed.
//
// A file signature is a compact JWS (RFC 7515 section 7.1) whose protected header
// has the "typ" [Type] and whose payload is this JSON object (RFC 8259), with these
// three members, once each, in any order, and no others:
//
//	{"alg":"SHA-512","digest":"...","size":1234}
//
// "alg" is the hash function (FIPS 180-4), SHA-512 only; "digest" the hash of the
// file in base64url without padding (RFC 4648 section 5); "size" the number of its
// bytes, an integer without fraction, exponent or leading zero.
package filesig

import (
	"bytes"
	"context"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	// Type is the "typ" of a file signature's header.
	Type = "cu-file+jws"
	// MaxPayload is the most bytes that a statement takes.
	MaxPayload = 512

	hashName   = "SHA-512"
	bufferSize = 64 << 10
)

// Statement says what a file holds.
type Statement struct {
	Digest [sha512.Size]byte // SHA-512
	Size   int64             // bytes
}

// Of reads src to its end and returns its statement.
func Of(ctx context.Context, src io.Reader) (Statement, error) {
	hash, buffer := sha512.New(), make([]byte, bufferSize)
	var s Statement
	for {
		if err := context.Cause(ctx); err != nil {
			return Statement{}, err
		}
		n, err := src.Read(buffer)
		_, _ = hash.Write(buffer[:n]) // never fails
		s.Size += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			hash.Sum(s.Digest[:0])
			return s, nil
		case err != nil:
			return Statement{}, fmt.Errorf("read: %w", err)
		}
	}
}

// Payload returns the statement as the payload of a JWS.
func (s Statement) Payload() []byte {
	return fmt.Appendf(nil, `{"alg":%q,"digest":%q,"size":%d}`,
		hashName, base64.RawURLEncoding.EncodeToString(s.Digest[:]), s.Size)
}

// Compare returns an error that says how the file at hand, stated by found, differs
// from the file that s was signed for; nil if it does not.
func (s Statement) Compare(found Statement) error {
	if s.Size != found.Size {
		return fmt.Errorf("the file has %d bytes, the signed one has %d", found.Size, s.Size)
	}
	if subtle.ConstantTimeCompare(s.Digest[:], found.Digest[:]) != 1 {
		return errors.New("the file is not the signed one: same size, other content")
	}
	return nil
}

// Parse reads the payload of a JWS whose signature verified.
func Parse(payload []byte) (Statement, error) {
	if len(payload) > MaxPayload {
		return Statement{}, fmt.Errorf("statement: larger than %d bytes", MaxPayload)
	}
	members, err := flatObject(payload)
	if err != nil {
		return Statement{}, fmt.Errorf("statement: %w", err)
	}
	if len(members) != 3 {
		return Statement{}, errors.New("statement: its members must be alg, digest and size")
	}
	if members["alg"] != hashName {
		return Statement{}, fmt.Errorf("statement: alg is not %q", hashName)
	}
	var s Statement
	if s.Digest, err = parseDigest(members["digest"]); err != nil {
		return Statement{}, err
	}
	if s.Size, err = parseSize(members["size"]); err != nil {
		return Statement{}, err
	}
	return s, nil
}

// flatObject returns the members of one JSON object whose values are strings and
// numbers. Decoding into a struct would take members in any case and more than once.
func flatObject(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := make(map[string]any)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errors.New("not a JSON object")
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, errors.New("not a JSON object")
		}
		key, _ := name.(string)
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("member %q occurs twice", key)
		}
		switch value.(type) {
		case string, json.Number:
			members[key] = value
		default:
			return nil, fmt.Errorf("member %q is neither a string nor a number", key)
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, errors.New("not a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data follow the JSON object")
	}
	return members, nil
}

func parseDigest(value any) (digest [sha512.Size]byte, err error) {
	text, _ := value.(string)
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// The decoder skips line breaks, so the length of the text counts too.
	if err != nil || copy(digest[:], decoded) != sha512.Size || len(text) != base64.RawURLEncoding.EncodedLen(sha512.Size) {
		return digest, errors.New("statement: digest is not the base64url of 64 bytes")
	}
	return digest, nil
}

func parseSize(value any) (int64, error) {
	number, _ := value.(json.Number) // JSON itself has no leading zero or plus sign
	size, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || size < 0 || number.String() == "-0" {
		return 0, errors.New("statement: size is not a number of bytes")
	}
	return size, nil
}
