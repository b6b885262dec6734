package kms_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// documentedCommands are those of a section of docs/kms-import.md.
func documentedCommands(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kms-import.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "\n### "+section+"\n\n```sh\n")
	require.True(t, found, section)
	commands, _, found := strings.Cut(rest, "```\n")
	require.True(t, found, section)
	return commands
}

// OpenSSL makes and wraps keys with the documented commands, for a wrapping key of the service, and what they signed before verifies after.
func TestImport_TakesWhatOpenSSLWrapsByTheDocument(t *testing.T) {
	t.Parallel()
	testkit.RequireTool(t, "openssl")
	testkit.RequireTool(t, "sh")
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		for section, algorithm := range map[string]string{"EC": "ES256", "Ed25519": "Ed25519", "Symmetric": "A256GCM/A256KW"} {
			id := s.importable(t, token, strings.ToLower(section), algorithm)
			job := s.importJob(t, token, id, methodRSA)
			folder := t.TempDir()
			var public struct {
				PEM string `json:"pem"`
			}
			require.NoError(t, json.Unmarshal(job.raw(t, "public_key"), &public))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "wrapping-key.pem"), []byte(public.PEM), 0o600))
			shell := func(commands string) {
				command := exec.CommandContext(t.Context(), "sh", "-euc", commands)
				command.Dir = folder
				out, err := command.CombinedOutput()
				require.NoError(t, err, "%s\n%s", commands, out)
			}
			shell(documentedCommands(t, section))
			shell(documentedCommands(t, "Commands"))
			wrapped, err := os.ReadFile(filepath.Join(folder, "wrapped.bin"))
			require.NoError(t, err)
			s.post(t, token, "elastic-keys/"+id+"/import",
				map[string]any{"job": job.member(t, "token"), "wrapped_material": base64.RawURLEncoding.EncodeToString(wrapped)})
			if section == "Symmetric" {
				material, err := os.ReadFile(filepath.Join(folder, "material.bin"))
				require.NoError(t, err)
				own, err := jwk.FromMaterial(material, jwk.Attributes{Algorithm: "A256KW", Use: jwk.UseEncryption})
				require.NoError(t, err)
				s.worksLike(t, token, id, own)
				continue
			}
			shell("openssl pkey -in key.pem -pubout -out public.pem")
			text, err := os.ReadFile(filepath.Join(folder, "public.pem"))
			require.NoError(t, err)
			assert.Equal(t, string(text), s.get(t, token, "elastic-keys/"+id+"/public-key").member(t, "pem"))
		}
	})
}

func TestImport_OfAPublicKeyAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		s.create(t, token, "signer", "ES256")
		s.create(t, token, "opener", "A256GCM/ECDH-ES+A256KW")
		signed := s.post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).member(t, "signature")

		s.importable(t, token, "verifier", "ES256")
		pem := s.get(t, token, "elastic-keys/signer/public-key").member(t, "pem")
		s.post(t, token, "elastic-keys/verifier/import", map[string]any{"public_key": pem})
		verdict := s.post(t, token, "elastic-keys/verifier/verify", map[string]any{"signature": signed, "payload": "aGVsbG8", "input": "message", "format": "der"})
		assert.Equal(t, true, verdict.object(t)["valid"])
		s.call(t, token, http.MethodPost, "elastic-keys/verifier/sign", map[string]any{"payload": "aGVsbG8"}).
			refused(t, http.StatusConflict, "no_private_key", "sign")
		assert.Equal(t, pem, s.get(t, token, "elastic-keys/verifier/public-key").member(t, "pem"))

		s.importable(t, token, "sealer", "A256GCM/ECDH-ES+A256KW")
		s.post(t, token, "elastic-keys/sealer/import", map[string]any{"public_key": s.get(t, token, "elastic-keys/opener/public-key").raw(t, "jwk")})
		sealed := s.post(t, token, "elastic-keys/sealer/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		s.call(t, token, http.MethodPost, "elastic-keys/sealer/decrypt", map[string]any{"ciphertext": sealed}).refusedOneOf(t, "no_private_key", "decryption_failed")

		// A private key that comes this way, and a key that generates its versions, are refused.
		_, private := generated(t, "ES256")
		s.call(t, token, http.MethodPost, "elastic-keys/verifier/import", map[string]any{"public_key": json.RawMessage(private)}).
			refused(t, http.StatusBadRequest, "import_mismatch", "with its private part")
		s.call(t, token, http.MethodPost, "elastic-keys/signer/import", map[string]any{"public_key": pem}).
			refused(t, http.StatusForbidden, "policy_refused", "a key that signs")
	})
}

// An ML-KEM key has a public part like every other: it comes back in, is published, attested and exported.
func TestImport_OfMLKEMKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		for _, algorithm := range []string{"ML-KEM-768", "ML-KEM-1024"} {
			name := strings.ToLower(algorithm)
			s.post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "published": true})
			public := s.get(t, token, "elastic-keys/"+name+"/public-key")
			s.importable(t, token, name+"-pem", algorithm)
			s.post(t, token, "elastic-keys/"+name+"-pem/import", map[string]any{"public_key": public.member(t, "pem")})
			assert.Equal(t, public.member(t, "pem"), s.get(t, token, "elastic-keys/"+name+"-pem/public-key").member(t, "pem"))
			sealed := s.post(t, token, "elastic-keys/"+name+"-pem/encapsulate", map[string]any{})
			s.call(t, token, http.MethodPost, "elastic-keys/"+name+"-pem/decapsulate", map[string]any{"ciphertext": sealed.member(t, "ciphertext")}).
				refusedOneOf(t, "no_private_key", "decryption_failed")

			own, private := generated(t, algorithm)
			id := s.importable(t, token, name+"-own", algorithm)
			s.post(t, token, "elastic-keys/"+id+"/import", offer(t, s.importJob(t, token, id, methodECDH), private))
			back, err := jwk.ParsePEM([]byte(s.get(t, token, "elastic-keys/"+id+"/public-key").member(t, "pem")), jwk.Attributes{})
			require.NoError(t, err)
			assert.Equal(t, own.ThumbprintSHA256(), back.ThumbprintSHA256())
			assert.NotEmpty(t, s.get(t, token, "elastic-keys/"+id+"/attestation").member(t, "attestation"))
		}
		assert.Len(t, s.publicSet(t, "/kms/jwks.json").kids(t), 2)
	})
}
