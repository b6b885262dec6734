package kmspeer_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/kmspeer"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// keysAt are the keys of a peer on real TLS that answers everything by handle.
func keysAt(t *testing.T, handle http.HandlerFunc) *kmspeer.Keys {
	t.Helper()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{
		Handler: handle, TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	f, err := federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{
		URL:        "https://" + listener.Addr().String(),
		PeerConfig: federation.PeerConfig{Timeout: 2 * time.Second, RootCertificate: config.Path(material.RootFile())},
	}}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	peer, ok := f.Peer(federation.KMS)
	require.True(t, ok)
	return kmspeer.New(peer)
}

// answering says the same to everybody.
func answering(status int, text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

const id = "0198c8e0-0000-7000-8000-000000000000"

func TestSign_SendsDigestsAndNamesTheVersion(t *testing.T) {
	t.Parallel()
	message := []byte(strings.Repeat("message", 20_000))
	short, middle, long := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message)
	for algorithm, want := range map[string]struct {
		input, format string
		payload       []byte
	}{
		"ES256": {"digest", "p1363", short[:]}, "ES384": {"digest", "p1363", middle[:]}, "ES512": {"digest", "p1363", long[:]},
		"RS256": {"digest", "raw", short[:]}, "PS384": {"digest", "raw", middle[:]}, "PS512": {"digest", "raw", long[:]},
		"Ed25519": {"message", "raw", message},
	} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			asked := make(chan map[string]any, 1)
			keys := keysAt(t, func(w http.ResponseWriter, r *http.Request) {
				body := map[string]any{}
				_ = json.NewDecoder(r.Body).Decode(&body)
				body["path"] = r.Method + " " + r.URL.Path
				asked <- body
				answering(http.StatusOK, `{"signature":"c2ln","version":7}`)(w, r)
			})
			signature, err := keys.Sign(t.Context(), id, 7, algorithm, message)
			require.NoError(t, err)
			assert.Equal(t, "sig", string(signature))
			got := <-asked
			assert.Equal(t, map[string]any{
				"path": "POST /service/api/v1/elastic-keys/" + id + "/sign", "version": 7.0, "input": want.input, "format": want.format,
				"payload": base64.RawURLEncoding.EncodeToString(want.payload),
			}, got)
		})
	}
}

func TestSign_BelievesNoAnswerThatIsNotOne(t *testing.T) {
	t.Parallel()
	for what, handle := range map[string]http.HandlerFunc{
		"another version": answering(http.StatusOK, `{"signature":"c2ln","version":2}`),
		"no base64url":    answering(http.StatusOK, `{"signature":"c2ln==","version":1}`),
		"no JSON":         answering(http.StatusOK, `signature`),
		"half of it":      answering(http.StatusOK, `{"signature":"c2ln"`),
		"too much":        answering(http.StatusOK, `{"signature":"`+strings.Repeat("A", 300<<10)+`","version":1}`),
		"elsewhere":       answering(http.StatusFound, "", "Location", "https://elsewhere.example/"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			signature, err := keysAt(t, handle).Sign(t.Context(), id, 1, "ES256", []byte("m"))
			require.Error(t, err)
			assert.Nil(t, signature)
		})
	}
	_, err := keysAt(t, answering(http.StatusOK, `{}`)).Sign(t.Context(), id, 1, "none", []byte("m"))
	require.Error(t, err)
}

func TestCalls_SayWhatTheKMSMeansAndNoMore(t *testing.T) {
	t.Parallel()
	const secret = "the caller is nobody to the KMS"
	document := func(code string) string { return `{"code":"` + code + `","detail":"` + secret + `"}` }
	for what, c := range map[string]struct {
		handle http.HandlerFunc
		code   string
		says   string
		after  time.Duration
	}{
		"refused":          {answering(http.StatusConflict, document("invalid_state")), "kms_refused", "the KMS refuses: invalid_state", 0},
		"not allowed":      {answering(http.StatusForbidden, document("insufficient_scope")), "kms_refused", "the KMS refuses: insufficient_scope", 0},
		"no credential":    {answering(http.StatusUnauthorized, document("unauthenticated")), "kms_refused", "the KMS refuses: unauthenticated", 0},
		"not there":        {answering(http.StatusNotFound, document("not_found")), "kms_refused", "the KMS refuses: not_found", 0},
		"a page":           {answering(http.StatusBadRequest, "<html>"+secret), "kms_refused", "the KMS refuses: no_code", 0},
		"a strange code":   {answering(http.StatusBadRequest, document("<b>x</b> "+secret)), "kms_refused", "the KMS refuses: no_code", 0},
		"too long":         {answering(http.StatusRequestEntityTooLarge, document("payload_too_large")), "payload_too_large", "the KMS signs no message of this length", 0},
		"sealed":           {answering(http.StatusServiceUnavailable, document("sealed"), "Retry-After", "7"), "dependency_unavailable", "the peer kms does not answer", 7 * time.Second},
		"for ever":         {answering(http.StatusServiceUnavailable, document("sealed"), "Retry-After", "65000"), "dependency_unavailable", "the peer kms does not answer", time.Minute},
		"overloaded":       {answering(http.StatusTooManyRequests, document("rate_limited")), "dependency_unavailable", "the peer kms does not answer", 0},
		"broken":           {answering(http.StatusInternalServerError, document("internal_error")), "dependency_unavailable", "the peer kms does not answer", 0},
		"something else's": {answering(http.StatusBadGateway, secret), "dependency_unavailable", "the peer kms does not answer", 0},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := keysAt(t, c.handle).Sign(t.Context(), id, 1, "ES256", []byte("m"))
			require.Error(t, err)
			require.True(t, problem.Is(err, c.code), "%v", err)
			table := problem.Table{c.code: {Status: http.StatusTeapot}}
			said := table.Document(err, "")
			assert.Equal(t, c.says, said.Detail)
			text, err := json.Marshal(said)
			require.NoError(t, err)
			assert.NotContains(t, string(text), secret)
		})
	}
}

func TestKey_IsForTheTenantThatItsTagNames(t *testing.T) {
	t.Parallel()
	for text, tenant := range map[string]string{
		`"jose-tenant":"shop"`: "shop", `"jose-tenant":"Shop"`: "", `"jose-tenant":"shop,bank"`: "", `"jose-tenant":""`: "", ``: "", `"tenant":"shop"`: "",
	} {
		keys := keysAt(t, answering(http.StatusOK, `{"id":"`+id+`","algorithm":"ES256","primary_version":4,"tags":{`+text+`}}`))
		found, err := keys.Key(t.Context(), "shop", "signer")
		if tenant == "" {
			require.ErrorIs(t, err, authority.ErrNotFound, text)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, authority.CustodyKey{ID: id, Algorithm: "ES256", Version: 4}, found)
		_, err = keys.Key(t.Context(), "bank", "signer")
		require.ErrorIs(t, err, authority.ErrNotFound)
		_, err = keys.Key(t.Context(), "", "signer")
		require.ErrorIs(t, err, authority.ErrNotFound)
	}
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden} {
		_, err := keysAt(t, answering(status, `{"code":"not_found"}`)).Key(t.Context(), "shop", "signer")
		require.ErrorIs(t, err, authority.ErrNotFound)
	}
	_, err := keysAt(t, answering(http.StatusUnauthorized, `{"code":"unauthenticated"}`)).Key(t.Context(), "shop", "signer")
	require.True(t, problem.Is(err, "kms_refused"), "its credential is wrong, which is no matter of the key: %v", err)
	_, err = keysAt(t, answering(http.StatusOK, `{"id":"`+id+`","tags":{"jose-tenant":"shop"},"primary_version":0}`)).Key(t.Context(), "shop", "signer")
	require.True(t, problem.Is(err, "kms_refused"), "it has no version: %v", err)
}

// A call that is cut off is repeated, and rotates once.
func TestRotate_IsRepeatedUnderOneKey(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 3)
	keys := keysAt(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Idempotency-Key")
		if len(seen) == 1 {
			answering(http.StatusServiceUnavailable, `{"code":"state_unavailable"}`)(w, r)
			return
		}
		answering(http.StatusCreated, `{"version":5}`)(w, r)
	})
	version, err := keys.Rotate(t.Context(), id)
	require.NoError(t, err)
	assert.EqualValues(t, 5, version)
	first, second := <-seen, <-seen
	assert.NotEmpty(t, first)
	assert.Equal(t, first, second)
	_, err = keysAt(t, answering(http.StatusCreated, `{}`)).Rotate(t.Context(), id)
	require.Error(t, err, "no version")
	_, err = keysAt(t, answering(http.StatusOK, `{"version":3,"jwk":{}}`)).Public(t.Context(), id, 2)
	require.Error(t, err, "another version")
}
