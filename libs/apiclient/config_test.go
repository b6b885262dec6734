package apiclient_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
)

func TestNew_RefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                        "URL is empty",
		"http://localhost:8000":   "only https:// is spoken",
		"localhost:8000":          "only https:// is spoken",
		"HTTP://localhost":        "only https:// is spoken",
		"https://":                "has no host",
		"https://:8000":           "has no host",
		"https://u:pw@host":       "holds a credential",
		"https://host/?tenant=1":  "has a query or fragment",
		"https://host/#fragment":  "has a query or fragment",
		"https://ho st/":          "URL: ",
		"unix:///run/caller.sock": "only https:// is spoken",
		"https://host:port/\x7f/": "URL: ",
	} {
		_, err := apiclient.New("test", apiclient.Config{URL: url, Token: "t"})
		if assert.ErrorContains(t, err, want, "%q", url) {
			assert.NotContains(t, err.Error(), "pw", "%q", url)
		}
	}
}

func TestNew_WantsOneCredential(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]apiclient.Config{
		"no credential":              {},
		"both Token and client":      {Token: "t", ClientID: "c", ClientSecret: "s"},
		"one is missing":             {ClientID: "c"},
		"ClientID and ClientSecret":  {ClientSecret: "s"},
		"holds a colon":              {ClientID: "a:b", ClientSecret: "s"},
		"white space or a character": {Token: "t\n"},
		"outside ASCII":              {ClientID: "c", ClientSecret: "schlüssel"},
		"must not be negative":       {Token: "t", Timeout: -1},
		"Backoff must not":           {Token: "t", Backoff: -1},
	} {
		config.URL = "https://localhost"
		_, err := apiclient.New("test", config)
		assert.ErrorContains(t, err, want)
	}
}

func TestConfig_HidesItsSecrets(t *testing.T) {
	t.Parallel()
	for _, config := range []apiclient.Config{
		{URL: "https://keys", Token: "HIDDEN"},
		{URL: "https://keys", ClientID: "payroll", ClientSecret: "HIDDEN"},
	} {
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", "config", config)
		encoded, err := json.Marshal(config)
		require.NoError(t, err)
		all := fmt.Sprintf("%v %+v %#v %s %v", config, config, config, config, &config) + logged.String() + string(encoded)
		assert.NotContains(t, all, "HIDDEN")
		assert.Contains(t, all, "https://keys")
	}
}

func TestCall_SendsTheCredentialOverHTTP2(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(thingJSON))
	caller, _ := dial(t, s, nil)
	self, err := get(t.Context(), caller)
	require.NoError(t, err)
	assert.Equal(t, "payroll", self.Name)

	caller, _ = dial(t, s, func(c *apiclient.Config) {
		c.URL += "/behind/a/prefix/"
		c.Token, c.ClientID, c.ClientSecret = "", "payroll", "cu_cs_x"
	})
	_, err = get(t.Context(), caller)
	require.NoError(t, err)

	seen := s.Requests()
	require.Len(t, seen, 2)
	assert.Equal(t, "/service/api/v1/things/payroll", seen[0].Path)
	assert.Equal(t, "Bearer cu_at_t_1_secret", seen[0].Header.Get("Authorization"))
	assert.Equal(t, 2, seen[0].Proto)
	assert.Equal(t, "/behind/a/prefix/service/api/v1/things/payroll", seen[1].Path)
	assert.Equal(t, "Basic cGF5cm9sbDpjdV9jc194", seen[1].Header.Get("Authorization"))
}

func TestCall_RefusesTLSBelow13(t *testing.T) {
	t.Parallel()
	reached := false
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)

	caller, c := dial(t, &double.Server{Server: s}, nil)
	_, err := get(t.Context(), caller)
	require.ErrorContains(t, err, "protocol version not supported")
	assert.False(t, reached)
	assertPauses(t, c)
}

func TestCall_RefusesACertificateOfOtherRoots(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{}`))
	caller, c := dial(t, s, func(c *apiclient.Config) { c.Roots = nil })
	_, err := get(t.Context(), caller)
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
	assert.Empty(t, s.Requests())
	assertPauses(t, c)
}

func TestCall_RefusesAServerWithoutTLS(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	caller, err := apiclient.New("test", apiclient.Config{URL: "https" + plain.URL[len("http"):], Token: "t", Backoff: time.Nanosecond})
	require.NoError(t, err)
	_, err = get(t.Context(), caller)
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
}

func TestCall_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	caller, _ := dial(t, s, nil)
	_, err := get(t.Context(), caller)
	var problem *apiclient.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, "unexpected_answer", problem.Code)
	assert.Len(t, s.Requests(), 1)
}
