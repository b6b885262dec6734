package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answer is a response that was read.
type answer struct {
	*http.Response

	t    *testing.T
	body string
}

func (a answer) member(name string) string {
	a.t.Helper()
	var members map[string]any
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &members), a.body)
	text, _ := members[name].(string)
	return text
}

func (a answer) code() string {
	a.t.Helper()
	if a.StatusCode < http.StatusBadRequest {
		return ""
	}
	return a.member("code")
}

// ok demands a status.
func (a answer) ok(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.StatusCode, a.body)
	return a
}

// call asks with an Authorization header; more are pairs of header name and value.
func (r *replica) call(authorization, method, path, body string, more ...string) answer {
	t := r.c.t
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.PublicURL()+"/service/api/v1"+path, content)
	require.NoError(t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	switch {
	case body != "" && method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != "":
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	resp, err := r.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{Response: resp, t: t, body: string(read)}
}

// root is a fresh administrator of a tenant.
func root(tenant string) string { return "Bearer person." + tenant + ".t:admin" }

// person is a fresh user with these scopes.
func person(tenant string, scopes ...string) string {
	return "Bearer person." + tenant + "." + strings.Join(scopes, ",")
}

// within polls until something is so, for at most the second in which replicas hear of changes and some time for a busy machine.
func within(t *testing.T, why string, so func() bool) {
	t.Helper()
	begin := time.Now()
	require.Eventually(t, so, 5*time.Second, 5*time.Millisecond, why)
	t.Logf("%s: after %s", why, time.Since(begin).Round(time.Millisecond))
}
