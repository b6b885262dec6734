package ca_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// service is a running certification authority.
type service struct {
	*servicetest.Running

	logs *servicetest.Log
}

// prepare makes a data directory with an operator, who has a client certificate.
func prepare(t testing.TB, engine string) (ca.Config, platform.Files) {
	t.Helper()
	setup := platform.Setup{UnsealMode: unseal.Derive, Operator: platform.FirstOperator}
	return servicetest.PrepareSetup(t, ca.Service(), setup, engine)
}

// run starts a service and stops it with the test.
func run(t testing.TB, cfg ca.Config, files platform.Files) *service {
	t.Helper()
	logs := &servicetest.Log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	return &service{Running: servicetest.Run(t, ca.Service(), cfg, files, logs), logs: logs}
}

// each runs test against a service on every engine.
func each(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			test(t, run(t, cfg, files))
		})
	}
}

// eachPair runs test against two replicas on every engine.
func eachPair(t *testing.T, test func(t *testing.T, first, second *service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			test(t, run(t, cfg, files), run(t, cfg, files))
		})
	}
}

// answer is a response, read whole.
type answer struct{ servicetest.Answer }

// call makes a request as the holder of a token. Whatever is answered must keep the conventions of the API.
func (s *service) call(t testing.TB, token, method, path string, body any, header ...string) answer {
	t.Helper()
	request := s.Request(t, token, method, path, body, header...)
	got, err := servicetest.Exchange(s.HTTP, request)
	require.NoError(t, err)
	a := answer{got}
	a.keepsConventions(t, request)
	return a
}

// post is call for an operation that succeeds.
func (s *service) post(t testing.TB, token, path string, body any, header ...string) answer {
	t.Helper()
	got := s.call(t, token, http.MethodPost, path, body, header...)
	require.Equal(t, 2, got.Status/100, "%s: %s", path, got.Body)
	return got
}

// get is call for a GET that succeeds.
func (s *service) get(t testing.TB, token, path string) answer {
	t.Helper()
	got := s.call(t, token, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.Status, "%s: %s", path, got.Body)
	return got
}

// hears waits until a replica knows a token that another one has given out.
func (s *service) hears(t testing.TB, token string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.call(t, token, http.MethodGet, "cas", nil).Status == http.StatusOK }, 2*time.Second, 10*time.Millisecond)
}

// refused checks a problem.
func (a answer) refused(t testing.TB, status int, code, what string) {
	t.Helper()
	assert.Equal(t, status, a.Status, "%s: %s", what, a.Body)
	assert.Equal(t, code, a.Member(t, "code"), "%s: %s", what, a.Body)
}

// administer makes a request as the client that administers, who shows a certificate.
func (s *service) administer(t testing.TB, method, path string, body any, header ...string) answer {
	t.Helper()
	request := s.Request(t, "", method, path, body, header...)
	target := s.Request(t, "", method, path, nil).URL
	target.Host = mustHost(t, s.MTLSURL())
	request.URL, request.Host = target, target.Host
	got, err := servicetest.Exchange(s.Administrator(t), request)
	require.NoError(t, err)
	return answer{got}
}
