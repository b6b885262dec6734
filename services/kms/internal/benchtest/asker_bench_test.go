package benchtest_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// asker sends the same request again and again on one connection, and looks at the status of the answer only.
func asker(b *testing.B, s *kmstest.Service, base, method, path, token string, body []byte) func() error {
	b.Helper()
	address, err := url.Parse(base)
	require.NoError(b, err)
	config := s.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
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
