package sealtest_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestShamir_TwoOfThreeSharesOpenTheService(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files, shares := kmstest.PrepareShamir(t, engine)
			s := kmstest.Run(t, cfg, files)
			token := s.Operator(t)
			stranger := kmstest.Holding{Token: token, Secret: "a", Signer: "b", MaterialID: "1", Ciphertext: "x", JWS: "x", Raw: "x", KeysCursor: "x", VersionCursor: "x"}
			s.IsSealed(t, stranger)

			first := s.Submit(t, shares[0])
			assert.Equal(t, true, first.Object(t)["sealed"])
			assert.EqualValues(t, 1, first.Object(t)["submitted"])
			assert.EqualValues(t, 2, first.Object(t)["threshold"])
			refuseShares(t, s, shares)
			assert.EqualValues(t, 1, s.Admin(t, http.MethodGet, "seal", "").Object(t)["submitted"], "what was refused does not count")
			s.IsSealed(t, stranger)
			opened := s.Submit(t, " "+shares[1]+"\n")
			assert.Equal(t, false, opened.Object(t)["sealed"], "%s", opened.Body)
			status, _ := s.Ready(t)
			assert.Equal(t, http.StatusOK, status)
			h := kmstest.NewHolding(t, s, "default", token)
			assert.Equal(t, false, s.Submit(t, shares[2]).Object(t)["sealed"], "a share too many changes nothing")

			for _, pair := range [][2]int{{1, 2}, {2, 0}} {
				assert.Equal(t, true, s.Admin(t, http.MethodPost, "seal", "").Object(t)["sealed"])
				s.IsSealed(t, h)
				_, reason := s.Ready(t)
				assert.Contains(t, reason, "sealed by an operator")
				s.Submit(t, shares[pair[0]])
				s.IsSealed(t, h)
				refuseShares(t, s, []string{shares[pair[0]], shares[pair[1]], shares[3-pair[0]-pair[1]]})
				s.Submit(t, shares[pair[1]])
				back := s.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
				assert.Equal(t, "aGVsbG8", back.Member(t, "plaintext"))
			}

			s.Stop()
			s = kmstest.Run(t, cfg, files)
			s.IsSealed(t, h)
			s.Submit(t, shares[2])
			s.Submit(t, shares[0])
			assert.Equal(t, "aGVsbG8", s.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext}).Member(t, "plaintext"))
		})
	}
}

// refuseShares submits shares that are wrong, after shares[0] was submitted; each is named.
func refuseShares(t testing.TB, s *kmstest.Service, shares []string) {
	t.Helper()
	foreign, err := unseal.NewShares(3, 2)
	require.NoError(t, err)
	good := shares[1]
	number := good[:strings.LastIndex(good[:12], "_")+1] // cu_share_N_
	middle := len(good) / 2
	for what, c := range map[string]struct{ share, named, reason string }{
		"duplicate":    {shares[0], "share " + strings.Split(shares[0], "_")[2], "given twice"},
		"foreign":      {foreign[1], "share 2", "belongs to another set"},
		"damaged":      {good[:middle] + kmstest.NextLetter(good[middle]) + good[middle+1:], "share " + strings.Split(good, "_")[2], "damaged"},
		"cut":          {good[:len(good)-10], "share " + strings.Split(good, "_")[2], "damaged"},
		"with a break": {good[:middle] + "\n" + good[middle:], "share " + strings.Split(good, "_")[2], "damaged"},
		"renumbered":   {"cu_share_9_" + good[len(number):], "share 9", "altered"},
		"no share":     {"open sesame", "share", "not a share"},
	} {
		got := s.Submit(t, c.share)
		got.Refused(t, http.StatusBadRequest, "bad_request", what)
		detail := got.Member(t, "detail")
		assert.Contains(t, detail, c.named, what)
		assert.Contains(t, detail, c.reason, what)
	}
}

func TestSeal_InModeDeriveIsUndoneByUnseal(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		s.Admin(t, http.MethodPost, "seal", "")
		s.IsSealed(t, h)
		s.Submit(t, "cu_share_1_AAAA").Refused(t, http.StatusBadRequest, "bad_request", "no share of anything")
		for what, body := range map[string]string{
			"no JSON": `share`, "unknown member": `{"key":"x"}`, "duplicate": `{"share":"","share":""}`, "trailing": `{}{}`, "number": `{"share":1}`, "large": strings.Repeat(" ", 20_000),
		} {
			got := s.Admin(t, http.MethodPost, "unseal", body)
			assert.Equal(t, 4, got.Status/100, "%s: %s", what, got.Body)
		}
		s.IsSealed(t, h)
		assert.Equal(t, false, s.Admin(t, http.MethodPost, "unseal", "{}").Object(t)["sealed"])
		h = h.Renewing(t, s)
		for _, op := range kmstest.Operations(t) {
			for _, ask := range kmstest.Asks()[op.ID](h) {
				s.Call(t, h.Token, op.Method, ask.Path, ask.Body).Fulfilled(t, op, "unsealed")
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
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		const workers, rounds = 4, 5
		stop := make(chan struct{})
		failures := make([]error, workers)
		var served, refused atomic.Int64
		var group sync.WaitGroup
		for worker := range workers {
			var requests []func() *http.Request
			for _, op := range kmstest.Operations(t) {
				if op.StepUp || slices.Contains(onlyOnce, op.ID) {
					continue
				}
				for i := range kmstest.Asks()[op.ID](h) {
					requests = append(requests, func() *http.Request {
						ask := kmstest.Asks()[op.ID](h)[i]
						return s.Request(t, h.Token, op.Method, ask.Path, ask.Body, kmstest.IdempotencyKey, rand.Text())
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
					got, err := s.Exchange(request)
					switch {
					case err != nil:
						failures[worker] = err
						return
					case got.Status/100 == 2:
						served.Add(1)
					case got.Status == http.StatusServiceUnavailable && bytes.Contains(got.Body, []byte(`"sealed"`)):
						refused.Add(1)
					default:
						failures[worker] = fmt.Errorf("%s %s: %d %s", request.Method, request.URL.Path, got.Status, got.Body)
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
				s.Admin(t, http.MethodPost, step.path, "{}")
				before := step.seen.Load()
				assert.Eventually(t, func() bool { return step.seen.Load() > before }, 10*time.Second, time.Millisecond)
			}
		}
		close(stop)
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		assert.Equal(t, "aGVsbG8", s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext}).Member(t, "plaintext"))
	})
}

func TestAdmin_ObeysTheMachinesOperatorAlone(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
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
			request := s.AdminRequest(t, method, path, "")
			change(request)
			s.Send(t, request).Refused(t, http.StatusForbidden, "forbidden", operation+" "+what)
		}
	}
	for _, operation := range closed {
		method, path, _ := strings.Cut(operation, " ")
		good := s.AdminRequest(t, method, path, "").Header.Get("Authorization")
		for _, authorization := range []string{
			"", "Bearer", "Bearer ", "Bearer x", good + "x", good[:len(good)-1], strings.Replace(good, "Bearer", "Basic", 1), "Bearer " + h.Token, strings.TrimPrefix(good, "Bearer "),
		} {
			request := s.AdminRequest(t, method, path, "")
			request.Header.Set("Authorization", authorization)
			isNoOperator(t, s.Send(t, request), operation)
		}
		request := s.AdminRequest(t, method, path, "")
		request.Header["Authorization"] = []string{good, good}
		isNoOperator(t, s.Send(t, request), operation+" with two tokens")
		s.Call(t, strings.TrimPrefix(good, "Bearer "), http.MethodGet, "self", nil).
			Refused(t, http.StatusUnauthorized, "unauthenticated", "the admin token opens nothing on the public listener")
	}
	for _, path := range []string{"", "..", "seal/", "Seal", "metrics", "self", "../../service/api/v1/self"} {
		s.Admin(t, http.MethodGet, path, "").Refused(t, http.StatusNotFound, "not_found", path)
	}
	s.Admin(t, http.MethodPost, "livez", "").Refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "POST livez")
	s.Admin(t, http.MethodGet, "shutdown", "").Refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "GET shutdown")
	s.Get(t, h.Token, "self") // it is still there, and open
	info, err := os.Stat(s.Files.AdminToken)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAdmin_HealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	s, _ := kmstest.Fixture(t)
	for _, path := range []string{"livez", "readyz", "healthz"} {
		request := s.AdminRequest(t, http.MethodGet, path, "")
		request.Header.Del("Authorization")
		got := s.Send(t, request)
		assert.Equal(t, http.StatusOK, got.Status, "%s: %s", path, got.Body)
		assert.Equal(t, "ok", got.Member(t, "status"), path)
	}
}

func TestAdmin_ShutdownEndsTheService(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	assert.Equal(t, http.StatusAccepted, s.Admin(t, http.MethodPost, "shutdown", "").Status)
	s.Wait()
}

// isNoOperator checks that somebody was kept out of the admin listener: also after many attempts, when attempts are not looked at any more.
func isNoOperator(t testing.TB, got kmstest.Answer, what string) {
	t.Helper()
	if got.Status == http.StatusTooManyRequests {
		got.Refused(t, http.StatusTooManyRequests, "rate_limited", what)
		return
	}
	got.Refused(t, http.StatusUnauthorized, "unauthenticated", what)
}
