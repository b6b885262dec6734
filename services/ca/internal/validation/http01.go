package validation

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

const (
	// maxAnswer is how much of an answer is read, in bytes: a key authorization has at most 87 for tokens made here.
	maxAnswer = 128
	// maxPage bounds what an answer announces: pages of redirects and errors are longer, but are not read.
	maxPage = config.MiB
	// maxRedirects is how many are followed.
	maxRedirects = 10
	// challengePath is where the file of a challenge lies (RFC 8555 section 8.3).
	challengePath = "/.well-known/acme-challenge/"
	userAgent     = "cryptoutil-acme-validation/1"
)

// http01 fetches the challenge's file and compares it (RFC 8555 section 8.3).
func (l *Local) http01(ctx context.Context, a Attempt) error {
	if a.Identifier.Wildcard() || !isToken(a.Token) {
		return refuse(KindMalformed, "http-01 is for a single host and a token")
	}
	client, err := l.client(a)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.host(a.Identifier)+challengePath+a.Token, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", userAgent)
	answer, err := client.Do(r)
	if err != nil {
		return fromNetwork("http-01", err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if answer.StatusCode != http.StatusOK {
		return refuse(KindUnauthorized, "http-01: the answer has status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil && !errors.Is(err, guarded.ErrTooLarge) {
		return fromNetwork("http-01", err)
	}
	if len(body) > maxAnswer {
		return refuse(KindUnauthorized, "http-01: the answer is longer than %d bytes", maxAnswer)
	}
	// Section 8.3: the server should ignore white space at the end.
	if subtle.ConstantTimeCompare([]byte(strings.TrimRight(string(body), " \t\r\n")), []byte(a.KeyAuthorization)) != 1 {
		return refuse(KindUnauthorized, "http-01: the answer is not the key authorization")
	}
	return nil
}

// client is for one attempt: nothing of it, such as an open connection, is there for the next one.
func (l *Local) client(a Attempt) (*guarded.Client, error) {
	secure := tlsconfig.ClientConfig(nil)
	// What a redirect leads to proves control by its content; section 8.3 has no certificate verified, which may be what is being ordered.
	secure.InsecureSkipVerify = true
	secure.MinVersion = tls.VersionTLS12
	secure.CipherSuites = suites12()
	return guarded.New(guarded.Config{
		Allow: a.Targets, Ports: []uint16{l.httpPort, l.tlsPort}, PlainHTTP: true, Timeout: l.whole, ConnectTimeout: l.connectTime, HeaderTimeout: l.whole,
		MaxBody: maxPage, MaxRedirects: maxRedirects, TLS: secure, Resolver: l.resolver,
	})
}

// suites12 are those of TLS 1.2 that servers of others may speak, here alone: ephemeral and AES-GCM.
func suites12() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// host is the authority of the URL; the port of the standard is left out, as browsers do.
func (l *Local) host(i Identifier) string {
	if l.httpPort != portHTTP {
		return net.JoinHostPort(i.Value, strconv.Itoa(int(l.httpPort)))
	}
	if address, ok := i.Address(); ok && address.Is6() {
		return "[" + i.Value + "]"
	}
	return i.Value
}

// isToken says whether a text can stand in a path as it is: base64url (RFC 8555 section 8.1).
func isToken(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return text != ""
}
