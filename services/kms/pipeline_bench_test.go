package kms_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// BenchmarkRequest is what the whole service costs for each request over a kept TLS connection, one trace in a hundred sent, beside a bare
// handler that gives the same answer. The client is a connection that allocates next to nothing, so what is counted is the server's.
func BenchmarkRequest(b *testing.B) {
	cfg, files := prepare(b, database.EngineSQLite)
	unlimited := server.Rate{Limit: 1 << 29, Per: time.Second, Burst: 1 << 29}
	cfg.Rates = server.Rates{PerAddress: unlimited, PerClient: unlimited, PerUser: unlimited}
	cfg.Telemetry.LogLevel = "info"
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(collector.Close)
	cfg.Telemetry.OTLP.Endpoint, cfg.Telemetry.OTLP.SampleRatio = collector.URL, 0.01
	s := runLogging(b, cfg, files, io.Discard)
	s.create(b, s.operator(b), "bench", "A256GCM/A256KW")
	token := s.token(b, "default", "bench", "kms:encrypt")

	plaintext := make([]byte, 1<<10)
	content := fmt.Appendf(nil, `{"plaintext":%q}`, base64.RawURLEncoding.EncodeToString(plaintext))
	key := newKey(b, "A256GCM/A256KW")
	self := s.get(b, token, "self").body
	for _, operation := range []struct {
		name, method, path string
		body               []byte
		bare               func(body []byte) (any, error)
	}{
		{"self", http.MethodGet, "self", nil, func([]byte) (any, error) { return json.RawMessage(self), nil }},
		{"encrypt", http.MethodPost, "elastic-keys/bench/encrypt", content, func(body []byte) (any, error) {
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
			sealed, err := jwe.Encrypt(key, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM", KeyID: benchKeyID}, plaintext)
			return bareEncrypted{sealed, benchElasticID, 1}, err
		}},
	} {
		b.Run(operation.name+"/service", func(b *testing.B) {
			measure(b, s.asker(b, s.URL(), operation.method, apiBase+operation.path, token, operation.body))
		})
		b.Run(operation.name+"/bare", func(b *testing.B) {
			measure(b, s.asker(b, serveBare(b, s, operation.bare), operation.method, "/", token, operation.body))
		})
	}
}

// asker sends the same request again and again on one connection, and looks at the status of the answer only.
func (s *service) asker(b *testing.B, base, method, path, token string, body []byte) func() error {
	b.Helper()
	address, err := url.Parse(base)
	require.NoError(b, err)
	config := s.http.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(b.Context(), "tcp", address.Host)
	require.NoError(b, err)
	b.Cleanup(func() { _ = connection.Close() })
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAuthorization: Bearer %s\r\n", method, path, address.Host, token)
	if body != nil {
		request = fmt.Appendf(request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	request = append(append(request, "\r\n"...), body...)
	reader := bufio.NewReaderSize(connection, 16<<10)
	return func() error {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		status, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %s", status)
		}
		length := -1
		for {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				return err
			}
			if line = textproto.TrimBytes(line); len(line) == 0 {
				break
			}
			if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
				if length, err = strconv.Atoi(string(value)); err != nil {
					return err
				}
			}
		}
		if length < 0 {
			return fmt.Errorf("an answer without Content-Length")
		}
		_, err = reader.Discard(length)
		return err
	}
}
