package benchtest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

const (
	garbagePercent = 400 // that of the program (libs/server/cli)
	apiBase        = "/service/api/v1/"
	keySet         = "/.well-known/jwks.json"
	benchKID       = "0190a0b0-0000-7000-8000-000000000001.1"
)

// open starts a service as it is run, without limits on rates, and with a collector that takes one trace in a hundred.
func open(b *testing.B, engine string) *servicetest.Running {
	b.Helper()
	cfg, files := servicetest.PrepareSetup(b, jose.Service(), platform.Setup{UnsealMode: unseal.Derive, Operator: platform.FirstOperator}, engine)
	unlimited := server.Rate{Limit: 1 << 29, Per: time.Second, Burst: 1 << 29}
	cfg.Rates = server.Rates{PerAddress: unlimited, PerClient: unlimited, PerUser: unlimited}
	cfg.Telemetry.LogLevel = "info"
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(collector.Close)
	cfg.Telemetry.OTLP.Endpoint, cfg.Telemetry.OTLP.SampleRatio = collector.URL, 0.01
	return servicetest.Run(b, jose.Service(), cfg, files, io.Discard)
}

// do makes a request that succeeds and returns a member of the answer.
func do(b *testing.B, s *servicetest.Running, token, path string, body any, member string) string {
	b.Helper()
	got, err := servicetest.Exchange(s.HTTP, s.Request(b, token, http.MethodPost, path, body))
	require.NoError(b, err)
	require.Equal(b, 2, got.Status/100, "%s", got.Body)
	return got.Member(b, member)
}

// bareKey signs where a bare handler does.
func bareKey(b *testing.B) *jwk.Key {
	b.Helper()
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(b, err)
	key, err := keygen.Generate(spec)
	require.NoError(b, err)
	return key
}

// pair is a request to the service, and a handler that does its cryptography and nothing else.
type pair struct {
	name, method, path string
	body               any
	bare               http.HandlerFunc
}

// BenchmarkRequest is what the whole service costs for each request over a kept TLS connection, beside a bare handler that gives such an answer.
// The client is a connection that allocates next to nothing, so what is counted is the server's. Garbage is collected as seldom as in the
// program.
func BenchmarkRequest(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbagePercent))
	for _, engine := range []string{database.EngineSQLite, database.EnginePostgres} {
		b.Run(engine, func(b *testing.B) {
			s := open(b, engine)
			token := s.Token(b, "default", "bench", "jose:sign", "jose:verify", "jose:issue")
			for _, p := range pairs(b, s, token) {
				body := []byte(nil)
				if p.body != nil {
					var err error
					body, err = json.Marshal(p.body)
					require.NoError(b, err)
				}
				b.Run(p.name+"/service", func(b *testing.B) { measure(b, asker(b, s, s.URL(), p.method, p.path, token, body)) })
				b.Run(p.name+"/bare", func(b *testing.B) { measure(b, asker(b, s, serveBare(b, s, p.bare), p.method, "/", token, body)) })
			}
		})
	}
}

// pairs are the hot operations on 1 KiB, tokens, and the public key set.
func pairs(b *testing.B, s *servicetest.Running, token string) []pair {
	b.Helper()
	operator := s.Operator(b)
	do(b, s, operator, "keys", map[string]any{"name": "bench", "algorithm": "ES256"}, "id")
	do(b, s, operator, "profiles", map[string]any{"name": "bench", "key": "bench", "issuer": "https://shop.example", "audience": []string{"api"}}, "id")
	text := base64.RawURLEncoding.EncodeToString(make([]byte, 1<<10))
	sign, issue := map[string]any{"key": "bench", "payload": text}, map[string]any{"profile": "bench", "subject": "ada"}
	message := do(b, s, token, "jws/sign", sign, "message")
	issued := do(b, s, token, "jwt/issue", issue, "token")
	set, err := servicetest.Exchange(s.HTTP, s.Request(b, "", http.MethodGet, keySet, nil))
	require.NoError(b, err)
	key := bareKey(b)
	return []pair{
		{"sign", http.MethodPost, apiBase + "jws/sign", sign, bareSign(b, key)},
		{"verify", http.MethodPost, apiBase + "jws/verify", map[string]any{"message": message}, bareVerify(b, key, make([]byte, 1<<10))},
		{"issue", http.MethodPost, apiBase + "jwt/issue", issue, bareIssue(b, key)},
		{"verify-token", http.MethodPost, apiBase + "jwt/verify", map[string]any{"profile": "bench", "token": issued}, bareVerify(b, key, []byte(bareClaims))},
		{"jwks", http.MethodGet, keySet, nil, static(set.Body)},
	}
}

// static answers the same octets to everybody.
func static(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(body)
	}
}

// BenchmarkKeySet is how many key sets a second many connections get, beside a handler that answers the same octets.
func BenchmarkKeySet(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbagePercent))
	for _, engine := range []string{database.EngineSQLite, database.EnginePostgres} {
		b.Run(engine, func(b *testing.B) {
			s := open(b, engine)
			do(b, s, s.Operator(b), "keys", map[string]any{"name": "bench", "algorithm": "ES256"}, "id")
			set, err := servicetest.Exchange(s.HTTP, s.Request(b, "", http.MethodGet, keySet, nil))
			require.NoError(b, err)
			for name, at := range map[string][2]string{"service": {s.URL(), keySet}, "static": {serveBare(b, s, static(set.Body)), "/"}} {
				b.Run(name, func(b *testing.B) {
					rate(b, func() func() error { return asker(b, s, at[0], http.MethodGet, at[1], "", nil) })
				})
			}
		})
	}
}

// bareSign signs what it is sent.
func bareSign(b *testing.B, key *jwk.Key) http.HandlerFunc {
	b.Helper()
	return bare(b, func(body []byte) (any, error) {
		var ask struct{ Key, Payload string }
		if err := json.Unmarshal(body, &ask); err != nil {
			return nil, err
		}
		payload, err := base64.RawURLEncoding.DecodeString(ask.Payload)
		if err != nil {
			return nil, err
		}
		made, err := jws.Sign(key, jws.Header{KeyID: benchKID}, payload)
		return map[string]any{"message": made, "algorithm": "ES256", "key_id": benchKID, "version": 1, "kid": benchKID}, err
	})
}

// bareVerify verifies a message of its own, as long as those it is sent: it does not have the service's key.
func bareVerify(b *testing.B, key *jwk.Key, payload []byte) http.HandlerFunc {
	b.Helper()
	own, err := jws.Sign(key, jws.Header{KeyID: benchKID, Type: "JWT"}, payload)
	require.NoError(b, err)
	return bare(b, func(body []byte) (any, error) {
		var ask struct{ Message, Profile, Token string }
		if err := json.Unmarshal(body, &ask); err != nil {
			return nil, err
		}
		read, _, err := jws.Verify(key, own, jws.Expect{})
		return map[string]any{"payload": base64.RawURLEncoding.EncodeToString(read), "key_id": benchKID, "version": 1, "kid": benchKID}, err
	})
}

// bareClaims are as long as those of a token of the service's.
const bareClaims = `{"iss":"https://shop.example","sub":"ada","aud":"api","exp":1800000000,"nbf":1800000000,"iat":1800000000,"jti":"AAAAAAAAAAAAAAAAAAAAAA"}`

// bareIssue signs the same claims again and again.
func bareIssue(b *testing.B, key *jwk.Key) http.HandlerFunc {
	b.Helper()
	return bare(b, func(body []byte) (any, error) {
		var ask struct{ Profile, Subject string }
		if err := json.Unmarshal(body, &ask); err != nil {
			return nil, err
		}
		made, err := jws.Sign(key, jws.Header{KeyID: benchKID, Type: "JWT"}, []byte(bareClaims))
		return map[string]any{"token": made, "jti": "AAAAAAAAAAAAAAAAAAAAAA", "expires_at": "", "key_id": benchKID, "version": 1, "kid": benchKID}, err
	})
}
