package acmeapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestWork_ThatWasLeftIsTakenUpByAnotherReplica(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 2, idle: true}, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		require.NoError(t, f.show(c, z, z.Challenges[0]))
		accepted, err := c.Accept(t.Context(), z.Challenges[0])
		require.NoError(t, err)
		assert.Equal(t, xacme.StatusProcessing, accepted.Status)
		f.replicas[1].start(t) // neither of the two that took the requests need be alive
		_, err = c.WaitAuthorization(t.Context(), z.URI)
		require.NoError(t, err)
	})
}

func TestWork_AnIssuanceThatWasCutOffIsFinishedOnceByAnotherReplica(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 2, quick: 10 * time.Millisecond}, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order := f.ready(t, c, "www.example.com")
		gate := make(chan struct{})
		f.authority.tune(func(a *authority) { a.delay = gate })
		r := rawOf(t, f, c, "main")
		finalized := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com"))), nil)
		require.Equal(t, http.StatusOK, finalized.status)
		assert.Equal(t, "processing", finalized.member(t, "status"), "it is not quick")
		assert.NotEmpty(t, finalized.header.Get("Retry-After"))
		for _, replica := range f.replicas { // both die while one of them waits for its signer
			replica.stop()
		}
		close(gate)
		f.replicas[1].start(t)
		f.clock.advance(2 * time.Minute) // the claim of the dead one ends
		require.Eventually(t, func() bool {
			return r.postURL(t, order.URI, "", nil).member(t, "status") == "valid"
		}, 20*time.Second, 20*time.Millisecond)
		f.authority.tune(func(a *authority) { assert.Len(t, a.issued, 1) })
	})
}

func TestWork_ASignerThatIsAwayIsAskedAgain(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 2, retries: []time.Duration{10 * time.Millisecond, 10 * time.Millisecond}}, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		f.authority.tune(func(a *authority) { a.failures = 2 })
		chain, _ := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		assert.Len(t, chain, 2)

		f.authority.tune(func(a *authority) { a.failures = 100 })
		_, _, err := f.order(t.Context(), c, validation.HTTP01, request(t, newKey(t), "www.example.com"), "www.example.com")
		var failed *xacme.OrderError
		require.ErrorAs(t, err, &failed)
		assert.NotContains(t, err.Error(), "canary-internal")
	})
}

func TestWork_ASignerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	o := options{replicas: 2, retries: []time.Duration{10 * time.Millisecond, 10 * time.Millisecond}, jobTime: 2 * time.Second, quick: time.Minute}
	eachWith(t, o, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order := f.ready(t, c, "www.example.com")
		f.authority.tune(func(a *authority) { a.delay = make(chan struct{}) })
		r := rawOf(t, f, c, "main")
		finalized := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com"))), nil)
		assert.Equal(t, "invalid", finalized.member(t, "status"), "%s", finalized.body)
		assert.Contains(t, string(finalized.body), acme.ServerInternal)
	})
}

func TestFinalize_ManyAtOnceMakeOneCertificate(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 2, quick: time.Minute}, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order := f.ready(t, c, "www.example.com")
		r := rawOf(t, f, c, "main")
		payload := fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com")))
		answers := make([]answer, 8)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = r.postURL(t, order.FinalizeURL, payload, nil) })
		}
		all.Wait()
		taken := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				taken++
				assert.Equal(t, "valid", a.member(t, "status"))
			} else {
				assert.Contains(t, []int{http.StatusConflict, http.StatusForbidden}, a.status, "%s", a.body)
			}
		}
		assert.Equal(t, 1, taken)
		f.authority.tune(func(a *authority) { assert.Len(t, a.issued, 1) })
	})
}

func TestWork_ARefusalOfTheIssuerIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order := f.ready(t, c, "www.example.com")
		f.authority.tune(func(a *authority) {
			a.refusal = errors.Join(acme.NewError(acme.BadCSR, "the key is too short for the profile"))
		})
		r := rawOf(t, f, c, "main")
		finalized := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "www.example.com"))), nil)
		assert.Equal(t, "invalid", finalized.member(t, "status"))
		assert.Contains(t, string(finalized.body), "the key is too short for the profile")
		assert.Contains(t, string(finalized.body), acme.BadCSR)
	})
}

func TestSweep_DeletesWhatHasExpiredAndKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		chain, url := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		dead, err := c.AuthorizeOrder(t.Context(), identifiers("dead.example.com"))
		require.NoError(t, err)
		require.NoError(t, f.replicas[0].server.Sweep(t.Context()))
		_, err = c.GetOrder(t.Context(), dead.URI)
		require.NoError(t, err)
		f.clock.advance(60 * 24 * time.Hour)
		require.NoError(t, f.replicas[0].server.Sweep(t.Context()))
		fresh := rawOf(t, f, c, "main")
		assert.Equal(t, http.StatusNotFound, fresh.postURL(t, dead.URI, "", nil).status)
		assert.Equal(t, http.StatusOK, fresh.postURL(t, url, "", nil).status)
		assert.Equal(t, http.StatusOK, fresh.post(t, "/revoke-cert", fmt.Sprintf(`{"certificate":%q}`, encode(chain[0].Raw)), nil).status)
	})
}

// loadVariable is how many orders TestLoad makes; a few unless it is set.
const loadVariable = "CRYPTOUTIL_TEST_ACME_ORDERS"

func TestLoad_ManyClientsOnTwoReplicasMeetNoBadNonce(t *testing.T) {
	t.Parallel()
	orders, clients := 60, 10
	if text := os.Getenv(loadVariable); text != "" {
		var err error
		orders, err = strconv.Atoi(text)
		require.NoError(t, err)
		clients = 50
	}
	o := options{replicas: 2, rates: map[acme.Limit]ratelimit.Rate{acme.NewAccounts: {Limit: 10_000, Per: time.Hour, Burst: 10_000}}, quick: time.Minute}
	eachWith(t, o, func(t *testing.T, f *fixture) {
		began := time.Now()
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				r := newRaw(t, f, "main")
				for n := range (orders + clients - 1) / clients {
					f.quickly(t, r, fmt.Sprintf("c%d-%d.example.com", i, n))
				}
			})
		}
		all.Wait()
		assert.Zero(t, f.badNonces.Load())
		f.authority.tune(func(a *authority) { assert.GreaterOrEqual(t, len(a.issued), orders) })
		t.Logf("%d certificates by %d clients in %v, %d requests", orders, clients, time.Since(began), f.requests.Load())
	})
}

// quickly obtains a certificate and asks more often than a polite client.
func (f *fixture) quickly(t *testing.T, r *raw, name string) {
	t.Helper()
	order := r.post(t, "/new-order", fmt.Sprintf(`{"identifiers":[{"type":"dns","value":%q}]}`, name), nil)
	if !assert.Equal(t, http.StatusCreated, order.status, "%s", order.body) {
		return
	}
	c := &xacme.Client{Key: r.key}
	z, err := f.parsed(t, r, order.list(t, "authorizations")[0])
	assert.NoError(t, err)
	for _, challenge := range z.Challenges {
		if challenge.Type == "http-01" {
			assert.NoError(t, f.show(c, z, challenge))
			assert.Equal(t, http.StatusOK, r.postURL(t, challenge.URI, "{}", nil).status)
		}
	}
	uri := order.header.Get("Location")
	if !assert.Eventually(t, func() bool { return r.postURL(t, uri, "", nil).member(t, "status") == "ready" }, 2*time.Minute, 100*time.Millisecond) {
		return
	}
	finalized := r.postURL(t, order.member(t, "finalize"), fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), name))), nil)
	if !assert.Equal(t, "valid", finalized.member(t, "status"), "%s", finalized.body) {
		return
	}
	certificate := r.postURL(t, finalized.member(t, "certificate"), "", nil)
	assert.Equal(t, http.StatusOK, certificate.status)
	assert.Equal(t, "application/pem-certificate-chain", certificate.header.Get("Content-Type"))
}
