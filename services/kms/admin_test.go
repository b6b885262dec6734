package kms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	platform "github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// adminRequest makes a request to the admin listener, with its token.
func (s *service) adminRequest(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, s.AdminURL()+"/admin/v1/"+path, reader)
	require.NoError(t, err)
	token, err := os.ReadFile(s.files.AdminToken)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return request
}

// admin asks something of the admin listener.
func (s *service) admin(t testing.TB, method, path, body string) answer {
	t.Helper()
	return s.send(t, s.adminRequest(t, method, path, body))
}

// submit gives a share to the service.
func (s *service) submit(t testing.TB, share string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"share": share})
	require.NoError(t, err)
	return s.admin(t, http.MethodPost, "unseal", string(body))
}

// ready is the status of readyz and what it says about the barrier.
func (s *service) ready(t testing.TB) (status int, barrier string) {
	t.Helper()
	got, err := s.exchange(s.adminRequest(t, http.MethodGet, "readyz", ""))
	require.NoError(t, err)
	for _, check := range got.object(t)["checks"].([]any) {
		if check := check.(map[string]any); check["name"] == "barrier" {
			detail, _ := check["detail"].(string)
			return got.status, detail
		}
	}
	t.Fatalf("readyz does not know the barrier: %s", got.body)
	return 0, ""
}

// isSealed checks that nothing but health and unsealing works.
func (s *service) isSealed(t testing.TB, h holding) {
	t.Helper()
	for _, op := range operations(t) {
		for _, ask := range asks[op.ID](h) {
			for _, prefix := range []string{"/service/api/v1/", "/browser/api/v1/"} {
				got := s.call(t, h.token, op.Method, prefix+ask.path, ask.body)
				got.refused(t, http.StatusServiceUnavailable, "sealed", op.ID)
				assert.NotEmpty(t, got.header.Get("Retry-After"), op.ID)
			}
		}
	}
	s.call(t, "", http.MethodGet, "nothing", nil).refused(t, http.StatusServiceUnavailable, "sealed", "a stranger")
	assert.Equal(t, http.StatusOK, s.admin(t, http.MethodGet, "livez", "").status)
	assert.Equal(t, true, s.admin(t, http.MethodGet, "seal", "").object(t)["sealed"])
	status, reason := s.ready(t)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, reason, "sealed")
}

// prepareShamir is prepare for a service that takes two of three shares.
func prepareShamir(t testing.TB, engine string) (kms.Config, platform.Files, []string) {
	t.Helper()
	files, _, err := platform.Setup{Service: kms.Service().Description, Dir: filepath.Join(t.TempDir(), "data"), UnsealMode: unseal.Shamir, Shares: 3, Threshold: 2}.Prepare()
	require.NoError(t, err)
	cfg, err := kms.Service().Load(config.Source{
		File:      files.Config,
		Overrides: map[string]string{"public.address": "127.0.0.1:0", "admin.address": "127.0.0.1:0", "telemetry.log_level": "error"},
	}, false)
	require.NoError(t, err)
	if engine == database.EnginePostgres {
		cfg.Database = dbtest.Fresh(t, engine)
	}
	var shares []string
	for _, file := range files.Shares {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		shares = append(shares, strings.TrimSpace(string(text)))
	}
	return cfg, files, shares
}

func TestShamir_TwoOfThreeSharesOpenTheService(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files, shares := prepareShamir(t, engine)
			s := run(t, cfg, files)
			token := s.operator(t)
			stranger := holding{token: token, secret: "a", signer: "b", materialID: "1", ciphertext: "x", jws: "x", raw: "x", keysCursor: "x", versionCursor: "x"}
			s.isSealed(t, stranger)

			first := s.submit(t, shares[0])
			assert.Equal(t, true, first.object(t)["sealed"])
			assert.EqualValues(t, 1, first.object(t)["submitted"])
			assert.EqualValues(t, 2, first.object(t)["threshold"])
			refuseShares(t, s, shares)
			assert.EqualValues(t, 1, s.admin(t, http.MethodGet, "seal", "").object(t)["submitted"], "what was refused does not count")
			s.isSealed(t, stranger)
			opened := s.submit(t, " "+shares[1]+"\n")
			assert.Equal(t, false, opened.object(t)["sealed"], "%s", opened.body)
			status, _ := s.ready(t)
			assert.Equal(t, http.StatusOK, status)
			h := newHolding(t, s, "default", token)
			assert.Equal(t, false, s.submit(t, shares[2]).object(t)["sealed"], "a share too many changes nothing")

			for _, pair := range [][2]int{{1, 2}, {2, 0}} {
				assert.Equal(t, true, s.admin(t, http.MethodPost, "seal", "").object(t)["sealed"])
				s.isSealed(t, h)
				_, reason := s.ready(t)
				assert.Contains(t, reason, "sealed by an operator")
				s.submit(t, shares[pair[0]])
				s.isSealed(t, h)
				refuseShares(t, s, []string{shares[pair[0]], shares[pair[1]], shares[3-pair[0]-pair[1]]})
				s.submit(t, shares[pair[1]])
				back := s.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
				assert.Equal(t, "aGVsbG8", back.member(t, "plaintext"))
			}

			s.stop()
			s = run(t, cfg, files)
			s.isSealed(t, h)
			s.submit(t, shares[2])
			s.submit(t, shares[0])
			assert.Equal(t, "aGVsbG8", s.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext}).member(t, "plaintext"))
		})
	}
}

// refuseShares submits shares that are wrong, after shares[0] was submitted; each is named.
func refuseShares(t testing.TB, s *service, shares []string) {
	t.Helper()
	foreign, err := unseal.NewShares(3, 2)
	require.NoError(t, err)
	good := shares[1]
	number := good[:strings.LastIndex(good[:12], "_")+1] // cu_share_N_
	middle := len(good) / 2
	for what, c := range map[string]struct{ share, named, reason string }{
		"duplicate":    {shares[0], "share " + strings.Split(shares[0], "_")[2], "given twice"},
		"foreign":      {foreign[1], "share 2", "belongs to another set"},
		"damaged":      {good[:middle] + nextLetter(good[middle]) + good[middle+1:], "share " + strings.Split(good, "_")[2], "damaged"},
		"cut":          {good[:len(good)-10], "share " + strings.Split(good, "_")[2], "damaged"},
		"with a break": {good[:middle] + "\n" + good[middle:], "share " + strings.Split(good, "_")[2], "damaged"},
		"renumbered":   {"cu_share_9_" + good[len(number):], "share 9", "altered"},
		"no share":     {"open sesame", "share", "not a share"},
	} {
		got := s.submit(t, c.share)
		got.refused(t, http.StatusBadRequest, "bad_request", what)
		detail := got.member(t, "detail")
		assert.Contains(t, detail, c.named, what)
		assert.Contains(t, detail, c.reason, what)
	}
}

func TestSeal_InModeDeriveIsUndoneByUnseal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		s.admin(t, http.MethodPost, "seal", "")
		s.isSealed(t, h)
		s.submit(t, "cu_share_1_AAAA").refused(t, http.StatusBadRequest, "bad_request", "no share of anything")
		for what, body := range map[string]string{
			"no JSON": `share`, "unknown member": `{"key":"x"}`, "duplicate": `{"share":"","share":""}`, "trailing": `{}{}`, "number": `{"share":1}`, "large": strings.Repeat(" ", 20_000),
		} {
			got := s.admin(t, http.MethodPost, "unseal", body)
			assert.Equal(t, 4, got.status/100, "%s: %s", what, got.body)
		}
		s.isSealed(t, h)
		assert.Equal(t, false, s.admin(t, http.MethodPost, "unseal", "{}").object(t)["sealed"])
		h = h.renewing(t, s)
		for _, op := range operations(t) {
			for _, ask := range asks[op.ID](h) {
				s.call(t, h.token, op.Method, ask.path, ask.body).fulfilled(t, op, "unsealed")
			}
		}
	})
}

// onlyOnce are operations that work once on one thing, or on nothing that a holding has.
var onlyOnce = []string{
	"updateElasticKey", "enableElasticKey", "disableElasticKey", "scheduleElasticKeyDeletion", "cancelElasticKeyDeletion", "enableMaterialKey",
	"disableMaterialKey", "compromiseMaterialKey", "scheduleMaterialKeyDestruction", "restoreMaterialKey", "updateAlias", "deleteAlias",
	"retryElasticKeyGeneration", "getKeyGrant", "revokeKeyGrant", "retireKeyGrant",
}

// Whoever is caught by a seal is told so; nobody gets half an answer or a 500, and nothing is lost.
func TestSeal_WhileTheServiceIsBusy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		const workers, rounds = 4, 5
		stop := make(chan struct{})
		failures := make([]error, workers)
		var served, refused atomic.Int64
		var group sync.WaitGroup
		for worker := range workers {
			var requests []func() *http.Request
			for _, op := range operations(t) {
				if op.StepUp || slices.Contains(onlyOnce, op.ID) {
					continue
				}
				for i := range asks[op.ID](h) {
					requests = append(requests, func() *http.Request {
						ask := asks[op.ID](h)[i]
						return s.request(t, h.token, op.Method, ask.path, ask.body, idempotencyKey, rand.Text())
					})
				}
			}
			group.Go(func() {
				for i := worker; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					request := requests[i%len(requests)]()
					got, err := s.exchange(request)
					switch {
					case err != nil:
						failures[worker] = err
						return
					case got.status/100 == 2:
						served.Add(1)
					case got.status == http.StatusServiceUnavailable && bytes.Contains(got.body, []byte(`"sealed"`)):
						refused.Add(1)
					default:
						failures[worker] = fmt.Errorf("%s %s: %d %s", request.Method, request.URL.Path, got.status, got.body)
						return
					}
				}
			})
		}
		for range rounds {
			for _, step := range []struct {
				path string
				seen *atomic.Int64
			}{{"seal", &refused}, {"unseal", &served}} {
				s.admin(t, http.MethodPost, step.path, "{}")
				before := step.seen.Load()
				assert.Eventually(t, func() bool { return step.seen.Load() > before }, 10*time.Second, time.Millisecond)
			}
		}
		close(stop)
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		assert.Equal(t, "aGVsbG8", s.post(t, h.token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext}).member(t, "plaintext"))
	})
}

func TestAdmin_ObeysTheMachinesOperatorAlone(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	closed := []string{"GET seal", "POST seal", "POST unseal", "POST shutdown"}
	for _, operation := range append(closed, "GET livez", "GET readyz", "GET healthz") {
		method, path, _ := strings.Cut(operation, " ")
		for what, change := range map[string]func(r *http.Request){
			"with an Origin":           func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
			"with its own Origin":      func(r *http.Request) { r.Header.Set("Origin", s.AdminURL()) },
			"with the Origin null":     func(r *http.Request) { r.Header.Set("Origin", "null") },
			"under a foreign name":     func(r *http.Request) { r.Host = "evil.example" },
			"under a name and a port":  func(r *http.Request) { r.Host = "evil.example:443" },
			"under a name like ours":   func(r *http.Request) { r.Host = "localhost.evil.example" },
			"under another address":    func(r *http.Request) { r.Host = "10.0.0.1" },
			"under any address":        func(r *http.Request) { r.Host = "0.0.0.0" },
			"under a wide loopback":    func(r *http.Request) { r.Host = "127.0.0.1.nip.io" },
			"under an IPv6 of no loop": func(r *http.Request) { r.Host = "[2001:db8::1]:1" },
		} {
			request := s.adminRequest(t, method, path, "")
			change(request)
			s.send(t, request).refused(t, http.StatusForbidden, "forbidden", operation+" "+what)
		}
	}
	for _, operation := range closed {
		method, path, _ := strings.Cut(operation, " ")
		good := s.adminRequest(t, method, path, "").Header.Get("Authorization")
		for _, authorization := range []string{
			"", "Bearer", "Bearer ", "Bearer x", good + "x", good[:len(good)-1], strings.Replace(good, "Bearer", "Basic", 1), "Bearer " + h.token, strings.TrimPrefix(good, "Bearer "),
		} {
			request := s.adminRequest(t, method, path, "")
			request.Header.Set("Authorization", authorization)
			s.isNoOperator(t, s.send(t, request), operation)
		}
		request := s.adminRequest(t, method, path, "")
		request.Header["Authorization"] = []string{good, good}
		s.isNoOperator(t, s.send(t, request), operation+" with two tokens")
		s.call(t, strings.TrimPrefix(good, "Bearer "), http.MethodGet, "self", nil).
			refused(t, http.StatusUnauthorized, "unauthenticated", "the admin token opens nothing on the public listener")
	}
	for _, path := range []string{"", "..", "seal/", "Seal", "metrics", "self", "../../service/api/v1/self"} {
		s.admin(t, http.MethodGet, path, "").refused(t, http.StatusNotFound, "not_found", path)
	}
	s.admin(t, http.MethodPost, "livez", "").refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "POST livez")
	s.admin(t, http.MethodGet, "shutdown", "").refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "GET shutdown")
	s.get(t, h.token, "self") // it is still there, and open
	info, err := os.Stat(s.files.AdminToken)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAdmin_HealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	s, _ := fixture(t)
	for _, path := range []string{"livez", "readyz", "healthz"} {
		request := s.adminRequest(t, http.MethodGet, path, "")
		request.Header.Del("Authorization")
		got := s.send(t, request)
		assert.Equal(t, http.StatusOK, got.status, "%s: %s", path, got.body)
		assert.Equal(t, "ok", got.member(t, "status"), path)
	}
}

func TestAdmin_ShutdownEndsTheService(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	assert.Equal(t, http.StatusAccepted, s.admin(t, http.MethodPost, "shutdown", "").status)
	s.wait()
}

// isNoOperator checks that somebody was kept out of the admin listener: also after many attempts, when attempts are not looked at any more.
func (s *service) isNoOperator(t testing.TB, got answer, what string) {
	t.Helper()
	if got.status == http.StatusTooManyRequests {
		got.refused(t, http.StatusTooManyRequests, "rate_limited", what)
		return
	}
	got.refused(t, http.StatusUnauthorized, "unauthenticated", what)
}
