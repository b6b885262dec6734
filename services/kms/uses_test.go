package kms_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// form is one way in which the document lets a key be used: a request alone, a batch, or a body of octets.
type form struct {
	verb, path string
	bodies     []map[string]any
	batch      bool
	octets     []byte // and the media type that they have
	mediaType  string
}

func (f form) String() string {
	switch {
	case f.batch:
		return f.verb + "-batch"
	case f.octets != nil:
		return f.verb + " of octets"
	default:
		return f.verb
	}
}

// key is the id of the key that is used.
func (f form) key() string { return strings.Split(f.path, "/")[1] }

// isUse tells whether an operation of the document works with key material: such a one, and no other, can be asked for in batches.
func isUse(t testing.TB, path string) bool {
	t.Helper()
	path = strings.TrimSuffix(path, "-batch")
	return strings.HasPrefix(path, "/elastic-keys/{id}/") && slices.ContainsFunc(operations(t), func(op *contract.Operation) bool {
		return op.Batch && op.Path == path+"-batch"
	})
}

// forms are all the ways in which the keys of a holding are used. They follow from the document, so that none is forgotten. Bodies beside those
// that every test knows ask for version 1 where an operation can be asked for a version.
func (h holding) forms(t testing.TB) (all []form) {
	t.Helper()
	for _, op := range operations(t) {
		if !isUse(t, op.Path) {
			continue
		}
		verb := strings.TrimSuffix(op.Path[strings.LastIndex(op.Path, "/")+1:], "-batch")
		key, bodies := h.keyed(verb)
		require.NotEmpty(t, key, "%s is new: say with which key it is done", op.ID)
		for _, body := range bodies {
			if slices.Contains([]string{"derive", "decapsulate", "verify-mac"}, verb) && body["version"] == nil || body["format"] != nil {
				bodies = append(bodies, merge(body, map[string]any{"version": 1}))
			}
		}
		path := strings.TrimPrefix(strings.Replace(op.Path, "{id}", key, 1), "/")
		all = append(all, form{verb: verb, path: path, bodies: bodies, batch: op.Batch})
		if !op.Batch && op.CheckMediaType(octetStream) == nil {
			f := form{verb: verb, path: path, octets: []byte("hello"), mediaType: octetStream, bodies: bodies[:1]}
			switch verb {
			case "encrypt", "sign":
			case "decrypt":
				f.octets, f.mediaType = []byte(h.ciphertext), jose
			case "verify":
				f.octets, f.mediaType = []byte(h.jws), jose
			default:
				require.Fail(t, "new octets", "say what the octets of %s are", op.ID)
			}
			all = append(all, f)
		}
	}
	require.Greater(t, len(all), 2*14)
	return all
}

// codes are what each body of a form is answered: nothing for success, "not valid" for a verdict, otherwise the code of the problem.
func (f form) codes(t testing.TB, s *service, token string) (codes []string) {
	t.Helper()
	switch {
	case f.octets != nil:
		got := s.octets(t, token, f.path, f.mediaType, f.octets, "Accept", "application/json")
		return []string{codeOf(got.status, got.object(t))}
	case f.batch:
		got := s.call(t, token, http.MethodPost, f.path, map[string]any{"items": f.bodies})
		if got.status != http.StatusOK {
			return slices.Repeat([]string{codeOf(got.status, got.object(t))}, len(f.bodies))
		}
		for _, result := range got.results(t) {
			if document, refused := result["problem"].(map[string]any); refused {
				result = document
			}
			codes = append(codes, codeOf(int(result["status"].(float64)), result))
		}
		return codes
	default:
		for _, body := range f.bodies {
			got := s.call(t, token, http.MethodPost, f.path, body)
			codes = append(codes, codeOf(got.status, got.object(t)))
		}
		return codes
	}
}

func codeOf(status int, object map[string]any) string {
	switch {
	case status != http.StatusOK:
		return object["code"].(string)
	case object["valid"] != nil && !object["valid"].(bool):
		return "not valid"
	default:
		return ""
	}
}

// ofPrimary tells whether a body is about the primary version, whichever that is, and not about the first one.
func (f form) ofPrimary(body map[string]any) bool {
	if f.makes() {
		return true
	}
	_, bare := body["format"]
	return body["version"] == nil && (bare || slices.Contains([]string{"derive", "decapsulate", "verify-mac"}, f.verb))
}

// makes tells whether a form makes something new.
func (f form) makes() bool {
	return !slices.Contains([]string{"decrypt", "reencrypt", "verify", "verify-mac", "unwrap", "derive", "decapsulate"}, f.verb)
}

// keys are the ids of the keys that keysForUses makes.
func (h holding) keys() []string {
	return []string{h.secret, h.signer, h.macKey, h.kemKey, h.deriveKey}
}

// keysForUses makes a key for every use, and has each make what it can.
func keysForUses(t testing.TB, s *service, token, prefix string, create func(name, algorithm string) (id string)) holding {
	t.Helper()
	h := holding{
		token: token, secret: create(prefix+"-secret", "A256GCM/A256KW"), signer: create(prefix+"-signer", "ES256"), macKey: create(prefix+"-mac", "HS256"),
		kemKey: create(prefix+"-kem", "ML-KEM-768"), deriveKey: create(prefix+"-derive", "HKDF-SHA256"),
	}
	made := func(key, verb, member string, body map[string]any) string {
		return s.post(t, token, pathOf(key, verb), body).member(t, member)
	}
	h.ciphertext = made(h.secret, "encrypt", "ciphertext", map[string]any{"plaintext": "aGVsbG8"})
	h.wrapped = made(h.secret, "wrap", "wrapped", map[string]any{"key": "aGVsbG8"})
	h.jws = made(h.signer, "sign", "signature", map[string]any{"payload": "aGVsbG8"})
	h.raw = made(h.signer, "sign", "signature", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"})
	h.mac = made(h.macKey, "mac", "mac", map[string]any{"payload": "aGVsbG8"})
	h.encapsulated = made(h.kemKey, "encapsulate", "ciphertext", map[string]any{})
	return h
}

// readdress gives a message in compact serialization another `kid`, whatever becomes of it.
func readdress(t testing.TB, message, kid string) string {
	t.Helper()
	header := protected(t, message)
	header["kid"] = kid
	text, err := json.Marshal(header)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(message, ".")
	return encode(text) + "." + rest
}

// readdressed is readdress of what stands in a body.
func readdressed(t testing.TB, body map[string]any, kid string) map[string]any {
	t.Helper()
	body = merge(body)
	for _, member := range []string{"ciphertext", "signature", "wrapped"} {
		if message, _ := body[member].(string); strings.Contains(message, ".") {
			body[member] = readdress(t, message, kid)
		}
	}
	return body
}
