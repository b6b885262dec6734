package materialtest_test

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// documentedCommands are those of a section of docs/kms-import.md.
func documentedCommands(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "kms-import.md"))
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
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		for section, algorithm := range map[string]string{"EC": "ES256", "Ed25519": "Ed25519", "Symmetric": "A256GCM/A256KW"} {
			id := s.Importable(t, token, strings.ToLower(section), algorithm)
			job := s.ImportJob(t, token, id, kmstest.MethodRSA)
			folder := t.TempDir()
			var public struct {
				PEM string `json:"pem"`
			}
			require.NoError(t, json.Unmarshal(job.Raw(t, "public_key"), &public))
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
			s.Post(t, token, "elastic-keys/"+id+"/import",
				map[string]any{"job": job.Member(t, "token"), "wrapped_material": base64.RawURLEncoding.EncodeToString(wrapped)})
			if section == "Symmetric" {
				material, err := os.ReadFile(filepath.Join(folder, "material.bin"))
				require.NoError(t, err)
				own, err := jwk.FromMaterial(material, jwk.Attributes{Algorithm: "A256KW", Use: jwk.UseEncryption})
				require.NoError(t, err)
				worksLike(t, s, token, id, own)
				continue
			}
			shell("openssl pkey -in key.pem -pubout -out public.pem")
			text, err := os.ReadFile(filepath.Join(folder, "public.pem"))
			require.NoError(t, err)
			assert.Equal(t, string(text), s.Get(t, token, "elastic-keys/"+id+"/public-key").Member(t, "pem"))
		}
	})
}

func TestImport_OfAPublicKeyAlone(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Create(t, token, "signer", "ES256")
		s.Create(t, token, "opener", "A256GCM/ECDH-ES+A256KW")
		signed := s.Post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).Member(t, "signature")

		s.Importable(t, token, "verifier", "ES256")
		pem := s.Get(t, token, "elastic-keys/signer/public-key").Member(t, "pem")
		s.Post(t, token, "elastic-keys/verifier/import", map[string]any{"public_key": pem})
		verdict := s.Post(t, token, "elastic-keys/verifier/verify", map[string]any{"signature": signed, "payload": "aGVsbG8", "input": "message", "format": "der"})
		assert.Equal(t, true, verdict.Object(t)["valid"])
		s.Call(t, token, http.MethodPost, "elastic-keys/verifier/sign", map[string]any{"payload": "aGVsbG8"}).
			Refused(t, http.StatusConflict, "no_private_key", "sign")
		assert.Equal(t, pem, s.Get(t, token, "elastic-keys/verifier/public-key").Member(t, "pem"))

		s.Importable(t, token, "sealer", "A256GCM/ECDH-ES+A256KW")
		s.Post(t, token, "elastic-keys/sealer/import", map[string]any{"public_key": s.Get(t, token, "elastic-keys/opener/public-key").Raw(t, "jwk")})
		sealed := s.Post(t, token, "elastic-keys/sealer/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		s.Call(t, token, http.MethodPost, "elastic-keys/sealer/decrypt", map[string]any{"ciphertext": sealed}).RefusedOneOf(t, "no_private_key", "decryption_failed")

		// A private key that comes this way, and a key that generates its versions, are refused.
		_, private := kmstest.Generated(t, "ES256")
		s.Call(t, token, http.MethodPost, "elastic-keys/verifier/import", map[string]any{"public_key": json.RawMessage(private)}).
			Refused(t, http.StatusBadRequest, "import_mismatch", "with its private part")
		s.Call(t, token, http.MethodPost, "elastic-keys/signer/import", map[string]any{"public_key": pem}).
			Refused(t, http.StatusForbidden, "policy_refused", "a key that signs")
	})
}

// An ML-KEM key has a public part like every other: it comes back in, is published, attested and exported.
func TestImport_OfMLKEMKeys(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		for _, algorithm := range []string{"ML-KEM-768", "ML-KEM-1024"} {
			name := strings.ToLower(algorithm)
			s.Post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "published": true})
			public := s.Get(t, token, "elastic-keys/"+name+"/public-key")
			s.Importable(t, token, name+"-pem", algorithm)
			s.Post(t, token, "elastic-keys/"+name+"-pem/import", map[string]any{"public_key": public.Member(t, "pem")})
			assert.Equal(t, public.Member(t, "pem"), s.Get(t, token, "elastic-keys/"+name+"-pem/public-key").Member(t, "pem"))
			sealed := s.Post(t, token, "elastic-keys/"+name+"-pem/encapsulate", map[string]any{})
			s.Call(t, token, http.MethodPost, "elastic-keys/"+name+"-pem/decapsulate", map[string]any{"ciphertext": sealed.Member(t, "ciphertext")}).
				RefusedOneOf(t, "no_private_key", "decryption_failed")

			own, private := kmstest.Generated(t, algorithm)
			id := s.Importable(t, token, name+"-own", algorithm)
			s.Post(t, token, "elastic-keys/"+id+"/import", kmstest.Offer(t, s.ImportJob(t, token, id, kmstest.MethodECDH), private))
			back, err := jwk.ParsePEM([]byte(s.Get(t, token, "elastic-keys/"+id+"/public-key").Member(t, "pem")), jwk.Attributes{})
			require.NoError(t, err)
			assert.Equal(t, own.ThumbprintSHA256(), back.ThumbprintSHA256())
			assert.NotEmpty(t, s.Get(t, token, "elastic-keys/"+id+"/attestation").Member(t, "attestation"))
		}
		assert.Len(t, s.PublicSet(t, "/kms/jwks.json").Kids(t), 2)
	})
}
