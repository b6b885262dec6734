package kmstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// All are the codes of a form whose bodies are all answered alike.
func (f Form) All(code string) []string { return slices.Repeat([]string{code}, len(f.Bodies)) }

// Form is one way in which the document lets a key be used: a request alone, a batch, or a body of octets.
type Form struct {
	Verb, Path string
	Bodies     []map[string]any
	Batch      bool
	Octets     []byte // and the media type that they have
	mediaType  string
}

// String names the form.
func (f Form) String() string {
	switch {
	case f.Batch:
		return f.Verb + "-batch"
	case f.Octets != nil:
		return f.Verb + " of octets"
	default:
		return f.Verb
	}
}

// Key is the id of the key that is used.
func (f Form) Key() string { return strings.Split(f.Path, "/")[1] }

// IsUse tells whether an operation of the document works with key material: such a one, and no other, can be asked for in batches.
func IsUse(t testing.TB, path string) bool {
	t.Helper()
	path = strings.TrimSuffix(path, "-batch")
	return strings.HasPrefix(path, "/elastic-keys/{id}/") && slices.ContainsFunc(Operations(t), func(op *contract.Operation) bool {
		return op.Batch && op.Path == path+"-batch"
	})
}

// Forms are all the ways in which the keys of a holding are used. They follow from the document, so that none is forgotten. Bodies beside those
// that every test knows ask for version 1 where an operation can be asked for a version.
func (h Holding) Forms(t testing.TB) (all []Form) {
	t.Helper()
	for _, op := range Operations(t) {
		if !IsUse(t, op.Path) {
			continue
		}
		verb := strings.TrimSuffix(op.Path[strings.LastIndex(op.Path, "/")+1:], "-batch")
		key, bodies := h.Keyed(verb)
		require.NotEmpty(t, key, "%s is new: say with which key it is done", op.ID)
		for _, body := range bodies {
			if slices.Contains([]string{"derive", "decapsulate", "verify-mac"}, verb) && body["version"] == nil || body["format"] != nil {
				bodies = append(bodies, Merge(body, map[string]any{"version": 1}))
			}
		}
		path := strings.TrimPrefix(strings.Replace(op.Path, "{id}", key, 1), "/")
		all = append(all, Form{Verb: verb, Path: path, Bodies: bodies, Batch: op.Batch})
		if !op.Batch && op.CheckMediaType(OctetStream) == nil {
			f := Form{Verb: verb, Path: path, Octets: []byte("hello"), mediaType: OctetStream, Bodies: bodies[:1]}
			switch verb {
			case "encrypt", "sign":
			case "decrypt":
				f.Octets, f.mediaType = []byte(h.Ciphertext), JOSE
			case "verify":
				f.Octets, f.mediaType = []byte(h.JWS), JOSE
			default:
				require.Fail(t, "new octets", "say what the octets of %s are", op.ID)
			}
			all = append(all, f)
		}
	}
	require.Greater(t, len(all), 2*14)
	return all
}

// Codes are what each body of a form is answered: nothing for success, "not valid" for a verdict, otherwise the code of the problem.
func (f Form) Codes(t testing.TB, s *Service, token string) (codes []string) {
	t.Helper()
	switch {
	case f.Octets != nil:
		got := s.Octets(t, token, f.Path, f.mediaType, f.Octets, "Accept", "application/json")
		return []string{CodeOf(got.Status, got.Object(t))}
	case f.Batch:
		got := s.Call(t, token, http.MethodPost, f.Path, map[string]any{"items": f.Bodies})
		if got.Status != http.StatusOK {
			return slices.Repeat([]string{CodeOf(got.Status, got.Object(t))}, len(f.Bodies))
		}
		for _, result := range got.Results(t) {
			if document, refused := result["problem"].(map[string]any); refused {
				result = document
			}
			codes = append(codes, CodeOf(int(result["status"].(float64)), result))
		}
		return codes
	default:
		for _, body := range f.Bodies {
			got := s.Call(t, token, http.MethodPost, f.Path, body)
			codes = append(codes, CodeOf(got.Status, got.Object(t)))
		}
		return codes
	}
}

// CodeOf is the code of a problem, "not valid" of a verification that fails, and "" of success.
func CodeOf(status int, object map[string]any) string {
	switch {
	case status != http.StatusOK:
		return object["code"].(string)
	case object["valid"] != nil && !object["valid"].(bool):
		return "not valid"
	default:
		return ""
	}
}

// OfPrimary tells whether a body is about the primary version, whichever that is, and not about the first one.
func (f Form) OfPrimary(body map[string]any) bool {
	if f.makes() {
		return true
	}
	_, bare := body["format"]
	return body["version"] == nil && (bare || slices.Contains([]string{"derive", "decapsulate", "verify-mac"}, f.Verb))
}

// makes tells whether a form makes something new.
func (f Form) makes() bool {
	return !slices.Contains([]string{"decrypt", "reencrypt", "verify", "verify-mac", "unwrap", "derive", "decapsulate"}, f.Verb)
}

// Keys are the ids of the keys that keysForUses makes.
func (h Holding) Keys() []string {
	return []string{h.Secret, h.Signer, h.MACKey, h.KEMKey, h.DeriveKey}
}

// KeysForUses makes a key for every use, and has each make what it can.
func KeysForUses(t testing.TB, s *Service, token, prefix string, create func(name, algorithm string) (id string)) Holding {
	t.Helper()
	h := Holding{
		Token: token, Secret: create(prefix+"-secret", "A256GCM/A256KW"), Signer: create(prefix+"-signer", "ES256"), MACKey: create(prefix+"-mac", "HS256"),
		KEMKey: create(prefix+"-kem", "ML-KEM-768"), DeriveKey: create(prefix+"-derive", "HKDF-SHA256"),
	}
	made := func(key, verb, member string, body map[string]any) string {
		return s.Post(t, token, PathOf(key, verb), body).Member(t, member)
	}
	h.Ciphertext = made(h.Secret, "encrypt", "ciphertext", map[string]any{"plaintext": "aGVsbG8"})
	h.Wrapped = made(h.Secret, "wrap", "wrapped", map[string]any{"key": "aGVsbG8"})
	h.JWS = made(h.Signer, "sign", "signature", map[string]any{"payload": "aGVsbG8"})
	h.Raw = made(h.Signer, "sign", "signature", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"})
	h.MAC = made(h.MACKey, "mac", "mac", map[string]any{"payload": "aGVsbG8"})
	h.Encapsulated = made(h.KEMKey, "encapsulate", "ciphertext", map[string]any{})
	return h
}

// Readdress gives a message in compact serialization another `kid`, whatever becomes of it.
func Readdress(t testing.TB, message, kid string) string {
	t.Helper()
	header := Protected(t, message)
	header["kid"] = kid
	text, err := json.Marshal(header)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(message, ".")
	return Encode(text) + "." + rest
}
