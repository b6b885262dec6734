package kmstest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// Inline is how many bytes encrypt, sign and verify take.
const Inline = 64 << 10

// Apart is the service as a client with connections of its own sees it.
func (s *Service) Apart(t testing.TB, http2 bool) *Service {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(s.Roots()), ForceAttemptHTTP2: http2, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return s.By(&http.Client{Transport: transport})
}

// Wire is a connection on which a test says exactly what it wants.
type Wire struct {
	*tls.Conn

	reader *bufio.Reader
}

// Dial opens a connection to the service.
func (s *Service) Dial(t testing.TB) Wire {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.Roots(), MinVersion: tls.VersionTLS13}}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "https://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return Wire{connection.(*tls.Conn), bufio.NewReader(connection)}
}

// Sayf sends text as it stands.
func (w Wire) Sayf(t testing.TB, format string, args ...any) {
	t.Helper()
	_, err := fmt.Fprintf(w, format, args...)
	require.NoError(t, err)
}

// Hear reads one answer; nil when the connection is closed without one.
func (w Wire) Hear(t testing.TB) *Answer {
	t.Helper()
	require.NoError(t, w.SetReadDeadline(time.Now().Add(20*time.Second)))
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		require.NotErrorIs(t, err, http.ErrHandlerTimeout)
		return nil
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return &Answer{servicetest.Answer{Status: response.StatusCode, Header: response.Header, Body: content}}
}
