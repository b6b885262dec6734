package kmstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

// Recipient is a new key for key management, and its public JWK.
func Recipient(t testing.TB, algorithm string, size int, curve string) (key *jwk.Key, public json.RawMessage) {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/"+algorithm, size, curve)
	require.NoError(t, err)
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = key.MarshalPublic()
	require.NoError(t, err)
	return key, public
}

// Exportable makes a key that may be exported and returns its id.
func (s *Service) Exportable(t testing.TB, name, algorithm string) (id string) {
	t.Helper()
	return s.Ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "exportable": true}).
		Done(t, http.StatusCreated).Member(t, "id")
}

// Bare is a JWK without the members that say what it is for.
func Bare(t testing.TB, text json.RawMessage) json.RawMessage {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	for _, name := range []string{"kid", "use", "key_ops"} {
		delete(members, name)
	}
	out, err := json.Marshal(members)
	require.NoError(t, err)
	return out
}

// importInto gives the holding a key whose versions are imported, with a public key and two jobs.
func (h Holding) importInto(t testing.TB, s *Service) Holding {
	t.Helper()
	h.ImportedName = h.Tenant + "-imported"
	h.ImportedID = s.Importable(t, h.Token, h.ImportedName, "ES256")
	h.Imported = h.ImportedID
	path := "elastic-keys/" + h.Imported
	h.PublicKey = s.Get(t, h.Token, "elastic-keys/"+h.Signer+"/public-key").Raw(t, "jwk")
	s.Post(t, h.Token, path+"/import", map[string]any{"public_key": h.PublicKey})
	s.ImportJob(t, h.Token, h.Imported, MethodECDH)
	job := s.ImportJob(t, h.Token, h.Imported, MethodECDH)
	h.JobID, h.JobToken = job.Member(t, "id"), job.Member(t, "token")
	h.JobCursor = s.Get(t, h.Token, path+"/import-jobs?limit=1").Member(t, "next_cursor")
	require.NotEmpty(t, h.JobCursor)
	return h
}

// The methods of wrapping.
const (
	MethodRSA  = "RSA-OAEP-256+A256KWP"
	MethodECDH = "ECDH-ES+A256KW"
)

// Importable makes a key that awaits its first import.
func (s *Service) Importable(t testing.TB, token, name, algorithm string) (id string) {
	t.Helper()
	made := s.Post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "origin": "imported"})
	require.Equal(t, "pending_import", made.Member(t, "status"))
	return made.Member(t, "id")
}

// ImportJob makes an import job of a key for a method.
func (s *Service) ImportJob(t testing.TB, token, key, method string) Answer {
	t.Helper()
	job := s.Post(t, token, "elastic-keys/"+key+"/import-jobs", map[string]any{"wrapping": method})
	require.Equal(t, "open", job.Member(t, "status"))
	return job
}

// wrappingKey is the public key of a job.
func (a Answer) wrappingKey(t testing.TB) *jwk.Key {
	t.Helper()
	var public struct {
		JWK json.RawMessage `json:"jwk"`
		PEM string          `json:"pem"`
	}
	require.NoError(t, json.Unmarshal(a.Raw(t, "public_key"), &public))
	key, err := jwk.Parse(public.JWK)
	require.NoError(t, err)
	require.False(t, key.IsPrivate())
	same, err := jwk.ParsePEM([]byte(public.PEM), jwk.Attributes{Algorithm: key.Algorithm})
	require.NoError(t, err)
	require.Equal(t, key.ThumbprintSHA256(), same.ThumbprintSHA256())
	return key
}

// WrapFor wraps material for a job, as the request has it.
func WrapFor(t testing.TB, job Answer, material []byte) string {
	t.Helper()
	public := job.wrappingKey(t)
	if job.Member(t, "wrapping") == MethodECDH {
		text, err := jwe.Encrypt(public, jwe.Header{Encryption: "A256GCM"}, material)
		require.NoError(t, err)
		return text
	}
	transport := make([]byte, 32)
	_, err := rand.Read(transport)
	require.NoError(t, err)
	head, err := keywrap.WrapRSAOAEP(public.Material().(*rsa.PublicKey), crypto.SHA256, transport)
	require.NoError(t, err)
	tail, err := keywrap.WrapPadded(transport, material)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(append(head, tail...))
}

// Generated is new key material with its private JWK.
func Generated(t testing.TB, algorithm string) (key *jwk.Key, private []byte) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	if spec.KeyType == alg.KeyTypeRSA {
		spec.KeySize = 2048
	}
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	private, err = key.MarshalPrivate()
	require.NoError(t, err)
	return key, private
}

// Offer is the body of an import by a job.
func Offer(t testing.TB, job Answer, material []byte) map[string]any {
	t.Helper()
	return map[string]any{"job": job.Member(t, "token"), "wrapped_material": WrapFor(t, job, material)}
}

// StatusOf reads the status of a key or a version.
func (s *Service) StatusOf(t testing.TB, token, path string) string {
	t.Helper()
	return s.Get(t, token, path).Member(t, "status")
}

// RefusedOneOf checks that an answer is a problem with one of the codes.
func (a Answer) RefusedOneOf(t testing.TB, codes ...string) {
	t.Helper()
	require.GreaterOrEqual(t, a.Status, http.StatusBadRequest, "%s", a.Body)
	require.Contains(t, codes, a.Member(t, "code"), "%s", a.Body)
}
