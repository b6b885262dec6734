package benchtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// garbagePercent is that of the program (libs/server/cli).
const garbagePercent = 400

// operationBench is a request to the service, and a handler that does its cryptography and nothing else.
type operationBench struct {
	name, method, path string
	body               []byte
	bare               func(body []byte) (any, error)
}

// BenchmarkRequest is what the whole service costs for each request over a kept TLS connection, one trace in a hundred sent, beside a bare
// handler that gives the same answer. The client is a connection that allocates next to nothing, so what is counted is the server's. Garbage is
// collected as seldom as in the program.
func BenchmarkRequest(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbagePercent))
	for _, engine := range []string{database.EngineSQLite, database.EnginePostgres} {
		b.Run(engine, func(b *testing.B) {
			cfg, files := kmstest.Prepare(b, engine)
			unlimited := server.Rate{Limit: 1 << 29, Per: time.Second, Burst: 1 << 29}
			cfg.Rates = server.Rates{PerAddress: unlimited, PerClient: unlimited, PerUser: unlimited}
			cfg.Telemetry.LogLevel = "info"
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/x-protobuf")
			}))
			b.Cleanup(collector.Close)
			cfg.Telemetry.OTLP.Endpoint, cfg.Telemetry.OTLP.SampleRatio = collector.URL, 0.01
			s := kmstest.RunLogging(b, cfg, files, io.Discard)
			token := s.Token(b, "default", "bench", "kms:encrypt", "kms:decrypt", "kms:sign", "kms:verify")
			for _, operation := range operationBenches(b, s, token) {
				b.Run(operation.name+"/service", func(b *testing.B) {
					measure(b, asker(b, s, s.URL(), operation.method, kmstest.APIBase+operation.path, token, operation.body))
				})
				b.Run(operation.name+"/bare", func(b *testing.B) {
					measure(b, asker(b, s, serveBare(b, s, operation.bare), operation.method, "/", token, operation.body))
				})
			}
		})
	}
}

// operationBenches are the hot operations on 1 KiB.
func operationBenches(b *testing.B, s *kmstest.Service, token string) []operationBench {
	b.Helper()
	const cipher, signer = "elastic-keys/bench-cipher/", "elastic-keys/bench-signer/"
	s.Create(b, s.Operator(b), "bench-cipher", "A256GCM/A256KW")
	s.Create(b, s.Operator(b), "bench-signer", "ES256")
	text := base64.RawURLEncoding.EncodeToString(make([]byte, 1<<10))
	body := func(member, value string) []byte { return fmt.Appendf(nil, `{%q:%q}`, member, value) }
	made := func(path, member, from string) string {
		return s.Call(b, token, http.MethodPost, path, map[string]any{from: text}).Member(b, member)
	}
	ciphertext, signature := made(cipher+"encrypt", "ciphertext", "plaintext"), made(signer+"sign", "signature", "payload")

	inner, private := newKey(b, "A256GCM/A256KW"), newKey(b, "ES256")
	sealed, err := jwe.Encrypt(inner, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM", KeyID: benchKeyID}, make([]byte, 1<<10))
	require.NoError(b, err)
	signed, err := jws.Sign(private, jws.Header{Algorithm: "ES256", KeyID: benchKeyID}, make([]byte, 1<<10))
	require.NoError(b, err)
	self := s.Get(b, token, "self").Body
	return []operationBench{
		{"self", http.MethodGet, "self", nil, func([]byte) (any, error) { return json.RawMessage(self), nil }},
		{"encrypt", http.MethodPost, cipher + "encrypt", body("plaintext", text), func(body []byte) (any, error) {
			plaintext, err := bareBytes(body, func(a *bareAsk) string { return a.Plaintext })
			if err != nil {
				return nil, err
			}
			made, err := jwe.Encrypt(inner, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM", KeyID: benchKeyID}, plaintext)
			return bareEncrypted{made, benchElasticID, 1}, err
		}},
		{"decrypt", http.MethodPost, cipher + "decrypt", body("ciphertext", ciphertext), func(body []byte) (any, error) {
			var ask bareAsk
			if err := json.Unmarshal(body, &ask); err != nil {
				return nil, err
			}
			plaintext, _, err := jwe.Decrypt(inner, sealed, jwe.Expect{Algorithm: "A256KW", Encryption: "A256GCM"})
			return bareDecrypted{base64.RawURLEncoding.EncodeToString(plaintext), benchElasticID, 1}, err
		}},
		{"sign", http.MethodPost, signer + "sign", body("payload", text), func(body []byte) (any, error) {
			payload, err := bareBytes(body, func(a *bareAsk) string { return a.Payload })
			if err != nil {
				return nil, err
			}
			made, err := jws.Sign(private, jws.Header{Algorithm: "ES256", KeyID: benchKeyID}, payload)
			return bareSigned{made, "ES256", benchElasticID, 1}, err
		}},
		{"verify", http.MethodPost, signer + "verify", body("signature", signature), func(body []byte) (any, error) {
			var ask bareAsk
			if err := json.Unmarshal(body, &ask); err != nil {
				return nil, err
			}
			payload, _, err := jws.Verify(private, signed, jws.Expect{Algorithm: "ES256"})
			return bareVerified{true, base64.RawURLEncoding.EncodeToString(payload), benchElasticID, 1}, err
		}},
	}
}

// bareAsk is a request's body as a bare handler reads it. What is opened is its own message, since it does not have the service's keys.
type bareAsk struct {
	Plaintext  string `json:"plaintext"`
	Ciphertext string `json:"ciphertext"`
	Payload    string `json:"payload"`
	Signature  string `json:"signature"`
}

func bareBytes(body []byte, of func(*bareAsk) string) ([]byte, error) {
	var ask bareAsk
	if err := json.Unmarshal(body, &ask); err != nil {
		return nil, err
	}
	return base64.RawURLEncoding.DecodeString(of(&ask))
}

// What a bare handler answers beside bareEncrypted and bareSigned.
type (
	bareDecrypted struct {
		Plaintext    string `json:"plaintext"`
		ElasticKeyID string `json:"elastic_key_id"`
		Version      int64  `json:"version"`
	}
	bareVerified struct {
		Valid        bool   `json:"valid"`
		Payload      string `json:"payload"`
		ElasticKeyID string `json:"elastic_key_id"`
		Version      int64  `json:"version"`
	}
)
