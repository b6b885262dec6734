package revocation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	checker "github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/published"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// objects are what the replica publishes.
func (r *replica) objects(t testing.TB) *published.Objects {
	t.Helper()
	o, err := published.New(published.Config{
		Lists: r.lists, Responder: r.responder, Issuers: r.cas, Log: slog.New(slog.DiscardHandler), Now: r.clock.read, MaxAge: time.Minute,
	})
	require.NoError(t, err)
	return o
}

// serve publishes at a server, whose address is in the lists and certificates.
func (r *replica) serve(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(r.objects(t))
	t.Cleanup(server.Close)
	r.cas.change("ca", func(i *revocation.Issuer) { i.BaseURL = server.URL })
	return server.URL
}

// fetch sends a request and reads the answer.
func fetch(t testing.TB, method, address string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Timeout: deadline}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, content
}

func TestListener_ServesSignedObjectsAndNothingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		at := r.serve(t)
		c := r.issue(t)
		r.revoke(t, revocation.Order{Serial: c.String()})
		r.publish(t)
		question := r.question(t, "ca", c.serial)
		pki := at + "/t/acme/pki/ca"

		for _, wrong := range []string{
			"", "/", "/pki/ca/crl/0.crl", "/t/acme", "/t/acme/", "/t/acme/pki", "/t/acme/pki/ca", "/t/acme/pki/ca/", "/t/acme/pki/ca/crl", "/t/acme/pki/ca/crl/",
			"/t/acme/pki/ca/crl/1.crl", "/t/acme/pki/ca/crl/0.crl/x", "/t/acme/pki/ca/ca.cer/", "/t/other/pki/ca/crl/0.crl", "/t/acme/pki/none/crl/0.crl", "/t//pki/ca/ca.cer",
			"/t/acme/pki//ca.cer", "/service/api/v1/cas", "/browser/api/v1/cas", "/livez", "/readyz", "/admin/v1/status", "/t/acme/pki/ca/crl/0.crl?x=1", "/t/acme/pki/%63a/crl/0.crl",
			"/t/acme/pki/ca/../ca/crl/0.crl", "/metrics", "/ocsp", "/t/acme/pki/ca/ca.p7c", "/roots.pem",
		} {
			response, body := fetch(t, http.MethodGet, at+wrong, nil)
			assert.Equal(t, http.StatusNotFound, response.StatusCode, wrong)
			assert.Empty(t, body, "nothing that is not signed")
			response, body = fetch(t, http.MethodPost, at+wrong, question, "Content-Type", ocsp.RequestType)
			assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, response.StatusCode, wrong)
			assert.Empty(t, body)
		}
		for _, wrong := range [][2]string{
			{http.MethodPost, "/crl/0.crl"}, {http.MethodDelete, "/ca.cer"}, {http.MethodGet, "/ocsp"}, {http.MethodPut, "/ocsp"}, {http.MethodPost, "/ocsp/MAA="},
		} {
			response, _ := fetch(t, wrong[0], pki+wrong[1], nil)
			assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%v", wrong)
		}

		response, body := fetch(t, http.MethodGet, pki+"/ca.cer", nil)
		assert.Equal(t, "application/pkix-cert", response.Header.Get("Content-Type"))
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		assert.Equal(t, issuer.Certificate.Raw, body)

		response, list := fetch(t, http.MethodGet, pki+"/crl/0.crl", nil)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		assert.Equal(t, "application/pkix-crl", response.Header.Get("Content-Type"))
		assert.Equal(t, "public, max-age=60", response.Header.Get("Cache-Control"))
		parsed, err := x509.ParseRevocationList(list)
		require.NoError(t, err)
		assert.Len(t, parsed.RevokedCertificateEntries, 1)
		tag := response.Header.Get("ETag")
		assert.Regexp(t, `^"\d+-[0-9a-f]{32}"$`, tag, "a strong one")
		response, body = fetch(t, http.MethodGet, pki+"/crl/0.crl", nil, "If-None-Match", tag)
		assert.Equal(t, http.StatusNotModified, response.StatusCode)
		assert.Empty(t, body)
		response, body = fetch(t, http.MethodHead, pki+"/crl/0.crl", nil)
		assert.EqualValues(t, len(list), response.ContentLength)
		assert.Empty(t, body)
		r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		r.publish(t)
		response, _ = fetch(t, http.MethodGet, pki+"/crl/0.crl", nil, "If-None-Match", tag)
		assert.Equal(t, http.StatusOK, response.StatusCode)
	})
}

func TestListener_AnswersOCSPByGETAndPOST(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		at := r.serve(t) + "/t/acme/pki/ca/ocsp"
		c := r.issue(t)
		r.revoke(t, revocation.Order{Serial: c.String(), Reason: reason.Superseded})
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		question := r.question(t, "ca", c.serial)
		text := base64.StdEncoding.EncodeToString(question)
		check := func(response *http.Response, body []byte) {
			t.Helper()
			assert.Equal(t, http.StatusOK, response.StatusCode)
			assert.Equal(t, ocsp.ResponseType, response.Header.Get("Content-Type"))
			parsed, err := witness.ParseResponse(body, issuer.Certificate)
			require.NoError(t, err)
			assert.Equal(t, witness.Revoked, parsed.Status)
		}
		response, body := fetch(t, http.MethodPost, at, question, "Content-Type", ocsp.RequestType)
		check(response, body)
		assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
		for _, path := range []string{text, url.PathEscape(text), url.QueryEscape(text), base64.RawURLEncoding.EncodeToString(question)} {
			response, body = fetch(t, http.MethodGet, at+"/"+path, nil)
			check(response, body)
		}
		assert.Equal(t, "max-age=60, public, no-transform, must-revalidate", response.Header.Get("Cache-Control"))
		assert.NotEmpty(t, response.Header.Get("Expires"))
		assert.NotEmpty(t, response.Header.Get("Last-Modified"))
		response, body = fetch(t, http.MethodGet, at+"/"+url.PathEscape(text), nil, "If-None-Match", response.Header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, response.StatusCode)
		assert.Empty(t, body)

		for _, malformed := range [][]byte{{}, {1}, make([]byte, ocsp.MaxRequest+100)} {
			response, body = fetch(t, http.MethodPost, at, malformed, "Content-Type", ocsp.RequestType)
			if response.StatusCode == http.StatusOK {
				assert.Equal(t, ocsp.MalformedRequest.DER(), body)
			} else {
				assert.Equal(t, http.StatusBadRequest, response.StatusCode)
			}
		}
		response, body = fetch(t, http.MethodGet, at+"/%25", nil)
		assert.Equal(t, ocsp.MalformedRequest.DER(), body)
		assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
		response, _ = fetch(t, http.MethodPost, at, question, "Content-Type", "text/plain")
		assert.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode)
	})
}

func TestListener_IsOffUnlessSomebodyWantsIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		off, err := published.Listen(t.Context(), published.ListenerConfig{}, r.objects(t))
		require.NoError(t, err)
		assert.Nil(t, off)
		on, err := published.Listen(t.Context(), published.ListenerConfig{Address: "127.0.0.1:0"}, r.objects(t))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { on.Run(ctx) })
		r.publish(t)
		response, _ := fetch(t, http.MethodGet, "http://"+on.Address()+"/t/acme/pki/ca/crl/0.crl", nil)
		assert.Equal(t, http.StatusOK, response.StatusCode)
		stop()
		running.Wait()
	})
}

// TestPublished_IsWhatTheCheckerBelieves looks at certificates as our own services do, by OCSP and by lists of shards with deltas.
func TestPublished_IsWhatTheCheckerBelieves(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r = newReplica(t, r.db, r.shared, func(s *revocation.Settings) { s.DeltaFrom = 4 })
		at := r.serve(t)
		r.cas.change("ca", func(i *revocation.Issuer) { i.Shards = 2 })
		issuer, err := r.cas.Issuer(t.Context(), tenant, "ca")
		require.NoError(t, err)
		require.NoError(t, r.delegates.Renew(t.Context(), issuer))
		check := func(leaf *x509.Certificate) error {
			k, err := checker.New(checker.Config{AllowAddresses: []string{"127.0.0.1"}, Timeout: 10 * time.Second}, checker.Options{Now: r.clock.read})
			require.NoError(t, err)
			defer k.Close()
			return k.Check(t.Context(), []*x509.Certificate{leaf, issuer.Certificate})
		}
		for range 8 { // so that a delta tells of the next one
			r.revoke(t, revocation.Order{Serial: r.issue(t).String()})
		}
		r.publish(t)
		byOCSP, byShard, byDelta := r.leaf(t, "ca", at, -1), r.leaf(t, "ca", at, 1), r.leaf(t, "ca", at, 0)
		for _, leaf := range []*x509.Certificate{byOCSP, byShard, byDelta} {
			require.NoError(t, check(leaf))
			r.revoke(t, revocation.Order{Serial: serialOf(t, leaf), Reason: reason.KeyCompromise})
			r.publish(t)
			err := check(leaf)
			require.ErrorIs(t, err, checker.ErrRevoked)
			assert.ErrorContains(t, err, "reason 1")
		}
		whole, delta := r.list(t, "ca", "0.crl"), r.list(t, "ca", "0-delta.crl")
		assert.NotContains(t, reasons(whole), serialOf(t, byDelta))
		assert.Contains(t, reasons(delta), serialOf(t, byDelta), "it was the delta that told")
	})
}
