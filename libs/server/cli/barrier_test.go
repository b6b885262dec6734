package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// sealedService is a service with a real barrier.
type sealedService struct {
	*service

	barrier  *barrier.Barrier
	operator *unseal.Operator
	rewraps  *rewraps
}

// rewraps is re-wrapping that takes two looks to be finished.
type rewraps struct {
	mu     sync.Mutex
	looks  int
	failed int64
	retire bool
}

func (r *rewraps) Start(_ context.Context, retire bool) (server.RewrapReport, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks, r.retire = 0, retire

	return r.report(), nil
}

func (r *rewraps) Status(context.Context) (server.RewrapReport, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++

	return r.report(), nil
}

func (r *rewraps) report() server.RewrapReport {
	source := server.RewrapSource{Source: "things", Scanned: 7, Rewrapped: 5, Failed: r.failed}
	if r.failed > 0 {
		source.Failure = "it is damaged"
	}
	if r.looks > 1 {
		source.FinishedAt = &server.Instant{}
	}

	return server.RewrapReport{Run: "run-1", Finished: r.looks > 1, Sources: []server.RewrapSource{source}}
}

func startSealed(t *testing.T, mode unseal.Mode) *sealedService {
	t.Helper()
	store := &barriertest.Store{}
	s := &sealedService{rewraps: &rewraps{}}
	var err error
	s.barrier, err = barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	var secret []byte
	if mode == unseal.Derive {
		secret = []byte(strings.Repeat("s", unseal.SecretSize))
	}
	s.operator, err = unseal.New(unseal.Config{Barrier: s.barrier, Mode: mode, Secret: secret, Store: store})
	require.NoError(t, err)
	require.NoError(t, s.operator.Start(t.Context()))
	s.service = startWith(t, func(deps *server.Deps) {
		deps.Barrier, deps.Operator = s.barrier, s.operator
		admin := server.BarrierAdmin{Barrier: s.barrier, Operator: s.operator, Tenants: store.Tenants, Rewrap: s.rewraps, Secrets: config.Policy{}}
		deps.AdminRoutes, err = admin.Routes()
		require.NoError(t, err)
	})

	return s
}

// do runs a command that succeeds with this code.
func (s *sealedService) do(t *testing.T, code int, stdin string, args ...string) string {
	t.Helper()
	got := s.run(t, stdin, append(args, "--config", s.config)...)
	require.Equal(t, code, got.code, "%v: %s%s", args, got.out, got.err)

	return got.out + got.err
}

func (s *sealedService) shares(t *testing.T, dir string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "share-*"))
	require.NoError(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.EqualValues(t, 0o600, info.Mode().Perm())
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}

	return texts
}

func TestRekey_FromASecretToSharesAndBack(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Derive)
	dir := filepath.Join(s.dir, "shares")
	assert.Contains(t, s.do(t, 0, "", "rekey", "status"), "State  none")
	assert.Contains(t, s.do(t, 1, "", "rekey", "commit"), "invalid_state: no rekeying is under way")
	got := s.do(t, 0, "", "rekey", "start", "--mode", "shamir", "--shares", "3", "--threshold", "2", "--share-dir", dir)
	assert.Contains(t, got, "staged")
	assert.Contains(t, got, filepath.Join(dir, "share-3"))
	assert.Contains(t, got, "rekey verify")
	assert.NotContains(t, got, "cu_share_")
	shares := s.shares(t, dir)
	require.Len(t, shares, 3)
	assert.Contains(t, s.do(t, 1, "", "rekey", "commit"), "not verified yet")
	assert.Contains(t, s.do(t, 1, "", "rekey", "verify"), "there is none")
	assert.Contains(t, s.do(t, 0, shares[0], "rekey", "verify"), "1 of 2")
	assert.Contains(t, s.do(t, 1, shares[0], "rekey", "verify"), "is given twice")
	assert.Contains(t, s.do(t, 0, "", "rekey", "verify", "--share-file", filepath.Join(dir, "share-2")), "verified")
	assert.Contains(t, s.do(t, 0, "", "rekey", "commit"), "State  none")

	// The running service takes the shares now.
	s.do(t, 0, "", "seal")
	assert.Contains(t, s.do(t, 0, shares[2], "unseal", "--rehearse"), "Fits  true")
	assert.Contains(t, s.do(t, 1, "cu_share_1_x", "unseal", "--rehearse"), "bad_request: share 1: damaged")
	s.do(t, 1, shares[2], "unseal")
	assert.Contains(t, s.do(t, 0, shares[0], "unseal"), "Sealed  false")

	// And back, to a secret in a file.
	secret := filepath.Join(s.dir, "secret")
	s.write(t, secret, strings.Repeat("n", unseal.SecretSize))
	for reference, want := range map[string]string{
		secret: "write file:///path", "file://" + secret + "-none": "no such file", "": "needs a secret of 32 bytes",
	} {
		assert.Contains(t, s.do(t, 1, "", "rekey", "start", "--mode", "derive", "--secret", reference), want)
	}
	assert.Contains(t, s.do(t, 0, "", "rekey", "start", "--mode", "derive", "--secret", "file://"+secret), "authorizing")
	assert.Contains(t, s.do(t, 0, shares[0], "rekey", "share"), "1 of 2")
	assert.Contains(t, s.do(t, 0, shares[1], "rekey", "share", "--output", "json"), `"state": "staged"`)
	assert.Contains(t, s.do(t, 0, "", "rekey", "cancel"), "State  none")
	s.do(t, 0, "", "rekey", "start", "--mode", "derive", "--secret", "file://"+secret)
	s.do(t, 0, shares[0], "rekey", "share")
	s.do(t, 0, shares[2], "rekey", "share")
	assert.Contains(t, s.do(t, 0, "", "rekey", "verify"), "verified")
	s.do(t, 0, "", "rekey", "commit")
	s.do(t, 0, "", "seal")
	assert.Contains(t, s.do(t, 0, "", "unseal"), "Mode    derive")
	assert.Equal(t, 2, s.run(t, "", "rekey", "start", "--config", s.config).code)
	assert.Contains(t, s.do(t, 2, "", "rekey", "start", "--mode", "shamir", "--shares", "3", "--threshold", "2", "--share-dir", dir), "holds shares already")
}

func TestBarrierRotate_EachLevel(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Derive)
	for _, tenant := range []string{"a", "b"} {
		_, err := s.barrier.Tenant(t.Context(), tenant)
		require.NoError(t, err)
	}
	for _, args := range [][]string{
		{"--level", "root", "--tenant", "a"},
		{"--level", "content"},
		{"--level", "content", "--tenant", "a", "--all-tenants"},
		{"--level", "root", "--all-tenants"},
	} {
		s.do(t, 2, "", append([]string{"barrier", "rotate"}, args...)...)
	}
	assert.Contains(t, s.do(t, 1, "", "barrier", "rotate", "--level", "leaf", "--tenant", "a"), "validation_failed")
	assert.Contains(t, s.do(t, 1, "", "barrier", "rotate", "--level", "content", "--tenant", "typo"), "this tenant has no keys")
	assert.Contains(t, s.do(t, 0, "", "barrier", "rotate", "--level", "root"), "Rotated  true")
	assert.Contains(t, s.do(t, 0, "", "barrier", "rotate", "--level", "content", "--tenant", "a"), "Tenants  1")
	assert.Contains(t, s.do(t, 0, "", "barrier", "rotate", "--level", "intermediate", "--all-tenants"), "Tenants  2")
	var report server.BarrierReport
	require.NoError(t, json.Unmarshal([]byte(s.do(t, 0, "", "barrier", "status", "--tenant", "a", "--output", "json")), &report))
	versions := map[string]int64{}
	for _, key := range report.Keys {
		versions[key.Level] = key.Version
	}
	assert.Equal(t, map[string]int64{"root": 2, "intermediate": 2, "content": 2}, versions)
	assert.Equal(t, "none", report.Rekey.State)
	assert.Regexp(t, "^derive:", report.UnsealKeyID)
	assert.Contains(t, s.do(t, 0, "", "barrier", "status"), "root 2, made ")

	s.do(t, 0, "", "seal")
	assert.Contains(t, s.do(t, 1, "", "barrier", "rotate", "--level", "root"), "sealed")
	assert.Contains(t, s.do(t, 1, "", "barrier", "rotate", "--level", "content", "--all-tenants"), "sealed")
	assert.Contains(t, s.do(t, 0, "", "barrier", "status"), "Sealed      true")
}

func TestBarrierRotate_RootBySharesAndManyTenants(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Shamir)
	shares, err := unseal.NewShares(3, 2)
	require.NoError(t, err)
	s.do(t, 1, shares[0], "unseal")
	s.do(t, 0, shares[1], "unseal")
	assert.Contains(t, s.do(t, 1, "", "barrier", "rotate", "--level", "root"), "submit one")
	assert.Contains(t, s.do(t, 1, shares[2], "barrier", "rotate", "--level", "root", "--share-file", "-"), "1 of 2")
	assert.Contains(t, s.do(t, 0, shares[0], "barrier", "rotate", "--level", "root", "--share-file", "-"), "Rotated  true")
	assert.Contains(t, s.do(t, 1, "", "barrier", "recovery", "--shares", "3", "--threshold", "2"), "has no recovery shares")
	for n := range 120 {
		_, err := s.barrier.Tenant(t.Context(), "tenant-"+string(rune('a'+n/26))+string(rune('a'+n%26)))
		require.NoError(t, err)
	}
	assert.Contains(t, s.do(t, 0, "", "barrier", "rotate", "--level", "content", "--all-tenants"), "Tenants  120")
	keys, err := s.barrier.Versions(t.Context(), barrier.LevelContent, "tenant-eo")
	require.NoError(t, err)
	assert.Len(t, keys, 2)
}

func TestBarrierRecovery_OpensWithoutTheSecret(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Derive)
	dir := filepath.Join(s.dir, "recovery")
	s.do(t, 0, "", "barrier", "recovery", "--shares", "3", "--threshold", "2", "--share-dir", dir)
	shares := s.shares(t, dir)
	require.Len(t, shares, 3)
	assert.Contains(t, s.do(t, 0, "", "barrier", "status"), "verified: false")
	assert.Contains(t, s.do(t, 0, shares[1], "barrier", "recovery", "--verify"), "Verified   false")
	assert.Contains(t, s.do(t, 0, shares[0], "barrier", "recovery", "--verify"), "Verified   true")
	assert.Contains(t, s.do(t, 0, "", "barrier", "status"), "verified: true")
	s.do(t, 0, "", "seal")
	s.do(t, 1, shares[2], "unseal", "--recovery")
	assert.Contains(t, s.do(t, 0, shares[1], "unseal", "--recovery"), "Sealed  false")
}

func TestBarrierRewrap_ReportsAndWaits(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Derive)
	got := s.do(t, 0, "", "barrier", "rewrap", "--retire")
	assert.Regexp(t, `things +7 +5 +0 +false`, got)
	assert.True(t, s.rewraps.retire)
	assert.Regexp(t, `things +7 +5 +0 +true`, s.do(t, 0, "", "barrier", "rewrap", "--wait", "20s"))
	s.rewraps.failed = 1
	assert.Contains(t, s.do(t, 1, "", "barrier", "rewrap", "--status"), "it is damaged")
}

// Every operation needs the token, takes no member it does not know, and tells nothing of causes.
func TestBarrierAdmin_IsClosed(t *testing.T) {
	t.Parallel()
	s := startSealed(t, unseal.Derive)
	routes, err := server.BarrierAdmin{Barrier: s.barrier, Operator: s.operator, Rewrap: s.rewraps}.Routes()
	require.NoError(t, err)
	require.Len(t, routes, 13)
	token, err := os.ReadFile(filepath.Join(s.dir, "admin.token"))
	require.NoError(t, err)
	for _, route := range routes {
		assert.False(t, route.Open)
		status, code := s.send(t, route.Method, route.Path, "", "{}")
		assert.Equal(t, 401, status, route.Path)
		assert.Equal(t, problem.Unauthenticated, code)
		if route.Method == http.MethodPost && !strings.HasSuffix(route.Path, "/commit") && !strings.HasSuffix(route.Path, "/cancel") {
			status, code = s.send(t, route.Method, route.Path, strings.TrimSpace(string(token)), `{"canary":1}`)
			assert.Equal(t, 400, status, route.Path)
			assert.Equal(t, problem.UnknownMember, code, route.Path)
			status, _ = s.send(t, route.Method, route.Path, strings.TrimSpace(string(token)), strings.Repeat("x", 16<<10+1)) // which is read whole, so that the answer arrives
			assert.Equal(t, 413, status, route.Path)
		}
	}
	_, err = server.BarrierAdmin{}.Routes()
	require.Error(t, err)
}

// send is a request to the admin listener, outside of the commands; the result is the status and the problem's code.
func (s *sealedService) send(t *testing.T, method, path, token, body string) (status int, code string) {
	t.Helper()
	roots, err := tlsconfig.LoadRoots(filepath.Join(s.dir, "tls", "root.pem"))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots), DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), method, s.AdminURL()+"/admin/v1"+path, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var document problem.Document
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&document))

	return resp.StatusCode, document.Code
}
