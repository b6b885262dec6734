package platformtest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestPaths_ThatDoNotExist(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, path := range []string{
		"/service", "/service/", "/service/api", "/service/api/v1", "/service/api/v1/", "/service/api/v2/self", "/service/API/v1/self", "/service/api/v1/Self",
		"/service/api/v1/self/", "/service/api/v1//self", "/service//api/v1/self", "/service/api/v1/./self", "/service/api/v1/x/../self", "/service/api/v1/self/..",
		"/service/api/v1/self%2f", "/service/api/v1/%73elf%00", "/service/api/v1/self;x=1", "/service/api/v1/elastic-keys/", "/service/api/v1/elastic-keys//",
		"/service/api/v1/elastic-keys/" + h.Secret + "/", "/service/api/v1/elastic-keys/" + h.Secret + "/exports",
		"/service/api/v1/elastic-keys/" + h.Secret + "/material-keys/", "/service/api/v1/elastic-keys/" + h.Secret + "/material-keys/1/", "/service/api/v1/material-keys/",
		"/service/api/v1/elastic-keys/" + h.Secret + "/material-keys/1/private", "/service/api/v1/openapi.yaml", "/service/api/v1/{id}",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			s.Call(t, h.Token, method, path, nil).Refused(t, http.StatusNotFound, "not_found", method+" "+path)
		}
	}
	// What lies outside the prefixes is nothing, for anybody.
	for _, path := range []string{
		"/", "/favicon.ico", "/admin/v1/livez", "/admin/v1/seal", "/metrics", "/debug/pprof/", "/debug/vars", "/.well-known/jwks.json", "/serviceapi/v1/self",
		"/services/api/v1/self", "//service/api/v1/self", "/Service/api/v1/self", "/%73ervice/api/v1/self", "/t/default", "/robots.txt", "/.git/config",
	} {
		for _, token := range []string{"", h.Token} {
			s.Call(t, token, http.MethodGet, path, nil).Refused(t, http.StatusNotFound, "not_found", path)
		}
	}
}

func TestMethods_ThatAResourceDoesNotHave(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	allowed := map[string][]string{}
	for _, op := range kmstest.Operations(t) {
		allowed[op.Path] = append(allowed[op.Path], op.Method)
	}
	for path, methods := range allowed {
		path = strings.NewReplacer("{id}", h.Secret, "{version}", "1").Replace(strings.TrimPrefix(path, "/"))
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND", "get", "X",
		} {
			if slices.Contains(methods, method) {
				continue
			}
			got, err := s.Exchange(s.Request(t, h.Token, method, path, nil))
			require.NoError(t, err)
			require.Equal(t, http.StatusMethodNotAllowed, got.Status, "%s %s", method, path)
			given := strings.Split(got.Header.Get("Allow"), ", ")
			assert.ElementsMatch(t, methods, given, "%s %s", method, path)
			if method != http.MethodHead {
				got.KeepsConventions(t, s.Request(t, h.Token, method, path, nil))
				got.Refused(t, http.StatusMethodNotAllowed, "method_not_allowed", method+" "+path)
			}
		}
	}
}

// A Location leads to what was made, under either prefix and from wherever it is read.
func TestLocation_LeadsToWhatWasMade(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	follow := func(from string, made kmstest.Answer) {
		t.Helper()
		base, err := url.Parse(s.URL() + kmstest.APIBase + from)
		require.NoError(t, err)
		target, err := base.Parse(made.Header.Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, base.Host, target.Host)
		found := s.Get(t, h.Token, target.Path)
		assert.Equal(t, made.Object(t), found.Object(t))
		if etag := made.Header.Get("Etag"); etag != "" {
			assert.Equal(t, etag, found.Header.Get("Etag"))
		}
	}
	made := s.Post(t, h.Token, "elastic-keys", map[string]any{"name": "located", "algorithm": "ES256"})
	assert.Equal(t, http.StatusCreated, made.Status)
	assert.Regexp(t, `^"[^"]+"$`, made.Header.Get("Etag"), "a strong validator")
	follow("elastic-keys", made)
	rotated := s.Post(t, h.Token, "elastic-keys/located/rotate", nil)
	assert.Equal(t, http.StatusCreated, rotated.Status)
	follow("elastic-keys/located/rotate", rotated)
	again := s.Get(t, h.Token, "elastic-keys/located")
	assert.NotEqual(t, made.Header.Get("Etag"), again.Header.Get("Etag"), "a rotation changes the key")
}
