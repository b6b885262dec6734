package attacktest_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// raw sends bytes on one connection, HTTP/1.1 inside TLS, and returns the answers until the service closes it.
func raw(t testing.TB, s *kmstest.Service, bytes string) (all []*http.Response) {
	t.Helper()
	security := tlsconfig.ClientConfig(s.Roots())
	security.NextProtos = []string{"http/1.1"}
	dialer := tls.Dialer{Config: security}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "https://"))
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(connection, bytes)
	require.NoError(t, err)
	reader := bufio.NewReader(connection)
	for {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return all
		}
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		all = append(all, response)
	}
}

// ASVS 4.2.1: whatever is unclear about where a message ends, nobody gets a second request through in the body of a first. With both framings
// Transfer-Encoding counts (RFC 9112 section 6.3); whatever else is ambiguous is refused.
func TestASVS_4_2_1_NoRequestHidesInAnother(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	hidden := "POST /service/api/v1/elastic-keys/" + h.Secret + "/rotate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.Token + "\r\nContent-Length: 0\r\n\r\n"
	inChunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)
	afterChunks := "0\r\n\r\n" + hidden
	whole := fmt.Sprintf("Content-Length: %d\r\n", len(inChunk))
	before := kmstest.VersionCount(t, s.Get(t, h.Token, "elastic-keys/"+h.Secret))
	for what, try := range map[string]struct {
		headers string
		bodies  []string
	}{
		"both lengths, chunked last":  {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", []string{inChunk}},
		"both lengths, chunked first": {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", []string{inChunk}},
		"a folded line":               {"X: y\r\n Transfer-Encoding: chunked\r\n" + whole, []string{inChunk}},
		"two lengths":                 {"Content-Length: 0\r\n" + whole, []string{inChunk, afterChunks}},
		"a list of lengths":           {"Content-Length: 0, 4\r\n", []string{inChunk, afterChunks}},
		"a signed length":             {"Content-Length: +4\r\n", []string{inChunk, afterChunks}},
		"a negative length":           {"Content-Length: -1\r\n", []string{inChunk, afterChunks}},
		"a hexadecimal length":        {"Content-Length: 0x4\r\n", []string{inChunk, afterChunks}},
		"another encoding":            {"Transfer-Encoding: xchunked\r\n", []string{inChunk, afterChunks}},
		"two encodings":               {"Transfer-Encoding: identity, chunked\r\n", []string{inChunk, afterChunks}},
		"two fields":                  {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", []string{inChunk, afterChunks}},
		"a space before the colon":    {"Transfer-Encoding : chunked\r\n", []string{inChunk, afterChunks}},
		"a vertical tab":              {"Transfer-Encoding: \x0bchunked\r\n", []string{inChunk, afterChunks}},
	} {
		for _, body := range try.bodies {
			answers := raw(t, s, "POST /service/api/v1/elastic-keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+try.headers+"\r\n"+body+
				"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			for _, answer := range answers {
				assert.GreaterOrEqual(t, answer.StatusCode, http.StatusBadRequest, "%s: %s", what, answer.Status)
			}
		}
	}
	assert.InDelta(t, before, kmstest.VersionCount(t, s.Get(t, h.Token, "elastic-keys/"+h.Secret)), 0, "nothing that was hidden was done")
}

// ASVS 4.1.3, 4.1.4 and 4.2.4: neither method nor target nor address nor identity can be set by a header, nor by another form of the target.
func TestASVS_4_1_3_HeadersOfProxiesCountForNothing(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, header := range []string{
		"X-Forwarded-Host", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
		"X-User-Id", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Proto", "X-Real-Ip", "True-Client-Ip", "X-Forwarded-For", "Forwarded", "Cf-Connecting-Ip",
	} {
		for _, value := range []string{"/service/api/v1/elastic-keys", "DELETE", "operator", "127.0.0.1", "evil.invalid"} {
			got := s.Call(t, h.Token, http.MethodGet, "self", nil, header, value)
			assert.Equal(t, http.StatusOK, got.Status, "%s: %s", header, value)
			assert.NotContains(t, string(got.Body), "evil.invalid", header)
			s.Call(t, "", http.MethodGet, "self", nil, header, value).Refused(t, http.StatusUnauthorized, "unauthenticated", header)
		}
	}
	for what, line := range map[string]string{
		"an absolute target":    "GET https://evil.invalid/service/api/v1/self HTTP/1.1",
		"a tunnel":              "CONNECT 127.0.0.1:22 HTTP/1.1",
		"an authority in front": "GET //evil.invalid/service/api/v1/self HTTP/1.1",
		"a backslash":           "GET /service\\api\\v1\\self HTTP/1.1",
		"an old version":        "GET /service/api/v1/self HTTP/0.9",
		"no version":            "GET /service/api/v1/self",
		"a null":                "GET /service/api/v1/self\x00 HTTP/1.1",
	} {
		for _, answer := range raw(t, s, line+"\r\nHost: x\r\nConnection: close\r\n\r\n") {
			assert.GreaterOrEqual(t, answer.StatusCode, http.StatusBadRequest, what)
		}
	}
}

// ASVS 12.2.1: who speaks plainly is told so, gets nothing, and is not led on to TLS.
func TestASVS_12_2_1_NothingIsServedWithoutTLS(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	for _, url := range []string{s.URL(), s.AdminURL()} {
		var dialer net.Dialer
		connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
		require.NoError(t, err)
		_, err = io.WriteString(connection, "GET /service/api/v1/self HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.Operator(t)+"\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, response.StatusCode)
		assert.Empty(t, response.Header.Get("Location"), "no redirect that would hide the slip")
		require.NoError(t, response.Body.Close())
		_ = connection.Close()
	}
}

// ASVS 3.5.1 and 3.5.2: a page of another site has a browser send requests with the client certificate that it holds, and gets nothing done.
func TestASVS_3_5_1_ACertificateInABrowserServesNoOtherSite(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	certificate := kmstest.Administer(t, &cfg)
	s := kmstest.Run(t, cfg, files).As(t, certificate)
	id := s.Create(t, "", "theirs", "A256GCM/A256KW")
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.invalid"}, {"Origin", "null"},
	} {
		s.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/rotate", nil, header...).Refused(t, http.StatusForbidden, "csrf_failed", header[1])
		s.Call(t, "", http.MethodPost, "elastic-keys", `{"name":"x","algorithm":"ES256"}`, append(header, "Content-Type", "text/plain")...).
			Refused(t, http.StatusForbidden, "csrf_failed", header[1])
		got := s.Ask(t, http.MethodGet, "self", nil, header...)
		assert.Equal(t, http.StatusOK, got.Status, "reading changes nothing")
		assert.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), "and the page does not see it")
	}
	assert.InDelta(t, 1, kmstest.VersionCount(t, s.Get(t, "", "elastic-keys/"+id)), 0)
}

// ASVS 12.1.3: a certificate of another authority, an expired one and one for servers are nobody's.
func TestASVS_12_1_3_UntrustedCertificatesAreNobodys(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	kmstest.Administer(t, &cfg)
	s := kmstest.Run(t, cfg, files)
	forger := kmstest.NewAuthority(t)
	_, err := s.As(t, forger.Issue(t, "root.example")).Exchange(s.Request(t, "", http.MethodGet, "self", nil))
	require.Error(t, err, "the handshake fails")
	s.Call(t, "", http.MethodGet, "self", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "no certificate")
}
