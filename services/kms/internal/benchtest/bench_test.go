package benchtest_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// processorTime is what this process has used of the processors so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure runs do one by one. It reports processor time beside the time on the clock, which others on the machine lengthen.
func measure(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	require.NoError(b, do()) // caches and connections
	before := processorTime(b)
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// measureParallel is measure for several callers at once.
func measureParallel(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	require.NoError(b, do())
	b.SetParallelism(4)
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkEncrypt1KiB(b *testing.B) {
	plaintext := make([]byte, 1<<10)
	wrapping := make([]byte, 32)
	_, _ = rand.Read(wrapping)
	outer, err := aes.NewCipher(wrapping)
	require.NoError(b, err)
	key := newKey(b, "A256GCM/A256KW")
	seal := func(plaintext []byte) (string, error) {
		return jwe.Encrypt(key, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM", KeyID: benchKeyID}, plaintext)
	}

	b.Run("raw/aead", func(b *testing.B) {
		aead, err := cipher.NewGCMWithRandomNonce(outer)
		require.NoError(b, err)
		buffer := make([]byte, 0, len(plaintext)+aead.Overhead())
		measure(b, func() error {
			aead.Seal(buffer, nil, plaintext, nil)
			return nil
		})
	})
	b.Run("raw/wrapped", func(b *testing.B) {
		content, buffer, wrapped := make([]byte, 32), make([]byte, 0, len(plaintext)+64), make([]byte, 0, 64)
		measure(b, func() error {
			_, _ = rand.Read(content)
			if _, err := keywrap.AppendWrap(wrapped, outer, content); err != nil {
				return err
			}
			inner, err := aes.NewCipher(content)
			if err != nil {
				return err
			}
			aead, err := cipher.NewGCMWithRandomNonce(inner)
			if err != nil {
				return err
			}
			aead.Seal(buffer, nil, plaintext, nil)
			return nil
		})
	})
	b.Run("jose", func(b *testing.B) {
		measure(b, func() error {
			_, err := seal(plaintext)
			return err
		})
	})
	b.Run("keyring", func(b *testing.B) {
		ring, caller := newRing(b)
		_, err := ring.Create(b.Context(), caller, keyring.NewKey{Name: "bench", Algorithm: "A256GCM/A256KW"})
		require.NoError(b, err)
		ctx := b.Context()
		measure(b, func() error {
			_, err := ring.Encrypt(ctx, caller, "bench", plaintext, nil)
			return err
		})
	})
	body := fmt.Sprintf(`{"plaintext":%q}`, base64.RawURLEncoding.EncodeToString(plaintext))
	overHTTPS(b, "A256GCM/A256KW", "encrypt", body, func(body []byte) (any, error) {
		var ask struct {
			Plaintext string `json:"plaintext"`
		}
		if err := json.Unmarshal(body, &ask); err != nil {
			return nil, err
		}
		plaintext, err := base64.RawURLEncoding.DecodeString(ask.Plaintext)
		if err != nil {
			return nil, err
		}
		sealed, err := seal(plaintext)
		return bareEncrypted{sealed, benchElasticID, 1}, err
	})
}

func BenchmarkSignES256(b *testing.B) {
	message := make([]byte, 256)
	key := newKey(b, "ES256")
	sign := func(payload []byte) (string, error) {
		return jws.Sign(key, jws.Header{Algorithm: "ES256", KeyID: benchKeyID}, payload)
	}

	b.Run("raw", func(b *testing.B) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(b, err)
		measure(b, func() error {
			digest := sha256.Sum256(message)
			_, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
			return err
		})
	})
	b.Run("jose", func(b *testing.B) {
		measure(b, func() error {
			_, err := sign(message)
			return err
		})
	})
	b.Run("keyring", func(b *testing.B) {
		ring, caller := newRing(b)
		_, err := ring.Create(b.Context(), caller, keyring.NewKey{Name: "bench", Algorithm: "ES256"})
		require.NoError(b, err)
		ctx, ask := b.Context(), keyring.SignRequest{Payload: message, Input: keyring.InputJWSPayload, Format: keyring.FormatJWS}
		measure(b, func() error {
			_, err := ring.Sign(ctx, caller, "bench", ask)
			return err
		})
	})
	body := fmt.Sprintf(`{"payload":%q}`, base64.RawURLEncoding.EncodeToString(message))
	overHTTPS(b, "ES256", "sign", body, func(body []byte) (any, error) {
		var ask struct {
			Payload string `json:"payload"`
		}
		if err := json.Unmarshal(body, &ask); err != nil {
			return nil, err
		}
		payload, err := base64.RawURLEncoding.DecodeString(ask.Payload)
		if err != nil {
			return nil, err
		}
		signed, err := sign(payload)
		return bareSigned{signed, "ES256", benchElasticID, 1}, err
	})
}

// The `kid` of the keys that need no service.
const (
	benchElasticID = "0198c8e0-0000-7000-8000-000000000000"
	benchKeyID     = benchElasticID + ".1"
)

// What the bare handler answers, which is what the service answers.
type (
	bareEncrypted struct {
		Ciphertext   string `json:"ciphertext"`
		ElasticKeyID string `json:"elastic_key_id"`
		Version      int64  `json:"version"`
	}
	bareSigned struct {
		Signature    string `json:"signature"`
		Algorithm    string `json:"algorithm"`
		ElasticKeyID string `json:"elastic_key_id"`
		Version      int64  `json:"version"`
	}
)

func newKey(b *testing.B, algorithm string) *jwk.Key {
	b.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(b, err)
	key, err := keygen.Generate(spec)
	require.NoError(b, err)
	return key
}

// generate makes keys on the spot.
type generate struct{}

func (generate) Take(_ context.Context, spec alg.Spec) (*jwk.Key, error) {
	return keygen.Generate(spec)
}

// newRing is a keyring in process, on SQLite.
func newRing(b *testing.B) (*keyring.Keyring, keyring.Caller) {
	b.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(b, err)
	db := dbtest.Open(b, dbtest.Fresh(b, database.EngineSQLite, database.PlatformMigrations(), set), database.PlatformMigrations(), set)
	keys, err := barrierstore.New(db)
	require.NoError(b, err)
	sealer, err := barrier.New(barrier.Config{Store: keys, Now: time.Now})
	require.NoError(b, err)
	require.NoError(b, sealer.Unseal(b.Context(), make([]byte, barrier.UnsealKeySize), "bench"))
	ring, err := keyring.New(keyring.Config{Store: sqlstore.New(db, sealer, nil), Barrier: sealer, Generator: generate{}, Now: time.Now})
	require.NoError(b, err)
	return ring, keyring.Caller{Tenant: "default", Kind: "api_token", ID: "bench", Scopes: []string{"kms:encrypt", "kms:sign", "kms:write"}}
}

// overHTTPS measures an operation of the real service, as it is configured by default, and the same cryptography in a bare handler behind
// the same TLS. The client is part of both.
func overHTTPS(b *testing.B, algorithm, operation, body string, bare func(body []byte) (any, error)) {
	b.Helper()
	cfg, files := kmstest.Prepare(b, database.EngineSQLite)
	cfg.Telemetry.LogLevel = "info"
	s := kmstest.RunLogging(b, cfg, files, io.Discard)
	s.Create(b, s.Operator(b), "bench", algorithm)
	token := s.Token(b, "default", "bench", "kms:"+operation)
	for _, side := range []struct{ name, url string }{
		{"https", s.URL() + kmstest.APIBase + "elastic-keys/bench/" + operation},
		{"bare_https", serveBare(b, s, bare)},
	} {
		b.Run(side.name+"/one_connection", func(b *testing.B) { measure(b, poster(s.Apart(b, false), side.url, token, body)) })
		b.Run(side.name+"/parallel", func(b *testing.B) { measureParallel(b, poster(s.Apart(b, false), side.url, token, body)) })
		b.Run(side.name+"/parallel_http2", func(b *testing.B) { measureParallel(b, poster(s.Apart(b, true), side.url, token, body)) })
	}
}

// serveBare serves the cryptography alone and returns its URL.
func serveBare(b *testing.B, s *kmstest.Service, bare func(body []byte) (any, error)) string {
	b.Helper()
	material, err := tlsconfig.Open(s.Config.TLS, tlsconfig.Options{Dir: filepath.Join(s.Config.DataDir.String(), "tls"), Secrets: s.Config.Secrets, Log: dbtest.Options(b).Log})
	require.NoError(b, err)
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var answer any
		if err == nil {
			answer, err = bare(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			b.Error(err)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "") // it ends by Close
	}()
	b.Cleanup(func() {
		require.NoError(b, server.Close())
		<-done
	})
	return "https://" + listener.Addr().String() + "/"
}

// poster sends a body again and again.
func poster(s *kmstest.Service, url, token, body string) func() error {
	content := []byte(body)
	return func() error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(content))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		got, err := s.Exchange(request)
		if err == nil && got.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", got.Status, got.Body)
		}
		return err
	}
}
