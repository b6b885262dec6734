package outagetest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Bounds of an outage, generous for a busy machine. The test logs what it measures.
const (
	mostLiveness = 2 * time.Second  // livez is meant to answer within 5 ms
	mostWait     = 10 * time.Second // for an answer of a service that knows of the outage
	mostSilence  = 30 * time.Second // for the answer to a request whose statement is on its way when the server falls silent
	mostRecovery = 15 * time.Second
)

const operatorPassword = "correct horse battery staple"

// addOperators has the API token that a data directory comes with, and a user with a password, be operators.
func addOperators(t *testing.T, cfg *platform.Config) {
	t.Helper()
	hashes, err := platform.OpenHashes(cfg)
	require.NoError(t, err)
	hash, err := hashes.Registry(secrethash.LowEntropyRandom).Hash(t.Context(), auth.PreparePassword(operatorPassword))
	require.NoError(t, err)
	file := cfg.Realm.File.String()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "  - id: operator\n", "  - id: operator\n    operator: true\n", 1) +
		"users:\n  - id: night.shift\n    tenant: default\n    operator: true\n    password_hash: '" + hash + "'\n"
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
}

// While the database is away nothing hangs and nobody is let in whom the service cannot be sure of, but its operators, on the admin listener.
// Their deeds are not lost. When it is back the service is, too.
func TestOutage_OfTheDatabase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin func(*dbtest.Fault)
		do    string // what operators ask for
		heard int
		wait  time.Duration
	}{
		"refused": {(*dbtest.Fault).Refuse, `{"level":"root"}`, http.StatusServiceUnavailable, mostWait},
		"silent":  {(*dbtest.Fault).Silence, `{"level":"none"}`, http.StatusBadRequest, mostSilence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, database.EnginePostgres)
			faulty, fault := dbtest.Faulty(t, cfg.Database)
			cfg.Database = faulty
			addOperators(t, &cfg.Config)
			s := kmstest.Run(t, cfg, files)
			o := outage{Service: s, token: s.Operator(t), audit: s.Token(t, "default", "auditor", "kms:audit", "kms:admin")}
			o.holding = kmstest.NewHolding(t, s, "default", o.token)
			o.asOperators(t)

			end := watchLiveness(t, s)
			stop := o.useThroughout(t)
			c.begin(fault)
			o.isRecognized(t)
			o.isRefused(t)
			o.asOperators(t)
			o.refusesStrangers(t)
			requests := o.act(t, c.do, c.heard)
			fault.Restore()
			recovered := o.recovers(t)
			o.isRecorded(t, requests)
			waits := stop()
			livez := end()
			t.Logf("livez throughout: %s", livez)
			t.Logf("requests throughout: %s", waits)
			t.Logf("served again %s after the database was back", recovered.Round(time.Millisecond))
			assert.Less(t, livez.percentile(99), mostLiveness)
			assert.Less(t, waits.max(), c.wait, "a request hung")
		})
	}
}

// outage is a service whose database goes away.
type outage struct {
	*kmstest.Service

	token, audit string
	holding      kmstest.Holding
}

// useThroughout has callers use the service all the time; the function that ends it tells how long they waited. Every answer is one of
// success or asks to come back.
func (o outage) useThroughout(t *testing.T) (end func() times) {
	t.Helper()
	asks := []*http.Request{
		o.Request(t, o.token, http.MethodPost, "elastic-keys/"+o.holding.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}),
		o.Request(t, o.token, http.MethodPost, "elastic-keys/"+o.holding.Signer+"/rotate", nil),
		o.Request(t, o.token, http.MethodGet, "elastic-keys", nil),
		o.Request(t, o.token, http.MethodGet, "self", nil),
	}
	waits, failures := make([]times, len(asks)), make([]error, len(asks))
	stop := make(chan struct{})
	var using sync.WaitGroup
	for i, request := range asks {
		using.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				one := request.Clone(request.Context())
				if request.GetBody != nil {
					one.Body, _ = request.GetBody()
				}
				began := time.Now()
				got, err := o.Exchange(one)
				waits[i] = append(waits[i], time.Since(began))
				if err == nil && got.Status/100 != 2 && (got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "") {
					err = fmt.Errorf("%s: %d %v %s", request.URL.Path, got.Status, got.Header, got.Body)
				}
				if err != nil {
					failures[i] = err
					return
				}
			}
		})
	}
	return func() (all times) {
		t.Helper()
		close(stop)
		using.Wait()
		for i := range asks {
			assert.NoError(t, failures[i])
			all = append(all, waits[i]...)
		}
		return all
	}
}

// isRecognized waits until readiness names the database.
func (o outage) isRecognized(t *testing.T) {
	t.Helper()
	began := time.Now()
	require.Eventually(t, func() bool {
		code, overall, status, detail := o.Check(t, "readyz", "database")
		return code == http.StatusServiceUnavailable && overall == "failing" && status == "failing" && detail != ""
	}, mostWait, 10*time.Millisecond)
	t.Logf("readyz named the database after %s", time.Since(began).Round(time.Millisecond))
	require.Eventually(t, func() bool {
		_, _, status, _ := o.Check(t, "readyz", "change-sequence")
		return status == "failing"
	}, mostWait, 10*time.Millisecond)
}

// isRefused asks for everything that the API has.
func (o outage) isRefused(t *testing.T) {
	t.Helper()
	var waits times
	for _, op := range kmstest.Operations(t) {
		for _, ask := range kmstest.Asks()[op.ID](o.holding) {
			began := time.Now()
			got := o.Call(t, o.token, op.Method, ask.Path, ask.Body)
			waits = append(waits, time.Since(began))
			if op.ID == "getSelf" && got.Status == http.StatusOK {
				continue
			}
			require.Equal(t, http.StatusServiceUnavailable, got.Status, "%s: %s", op.ID, got.Body)
			assert.NotEmpty(t, got.Header.Get("Retry-After"), op.ID)
		}
	}
	t.Logf("refusals during the outage: %s", waits)
	assert.Less(t, waits.max(), mostWait)
}

// asOperators looks at the status of the service.
func (o outage) asOperators(t *testing.T) {
	t.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("night.shift:"+operatorPassword))
	for _, authorization := range []string{"Bearer " + o.token, basic} {
		request := o.AdminRequest(t, http.MethodGet, "status", "")
		request.Header.Set("Authorization", authorization)
		began := time.Now()
		got := o.Send(t, request)
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
		assert.Less(t, time.Since(began), mostWait)
	}
}

// refusesStrangers makes sure that the admin listener is for operators. Each attempt costs a part of the few that there are.
func (o outage) refusesStrangers(t *testing.T) {
	t.Helper()
	for _, stranger := range []string{"Bearer " + o.audit, "Basic " + base64.StdEncoding.EncodeToString([]byte("night.shift:wrong"))} {
		request := o.AdminRequest(t, http.MethodGet, "status", "")
		request.Header.Set("Authorization", stranger)
		assert.Equal(t, http.StatusUnauthorized, o.Send(t, request).Status)
	}
}

// act has the operators do something, and returns the identifiers of the requests.
func (o outage) act(t *testing.T, do string, heard int) (requests []string) {
	t.Helper()
	for range 3 {
		request := o.AdminRequest(t, http.MethodPost, "barrier/rotate", do)
		request.Header.Set("Authorization", "Bearer "+o.token)
		got := o.Send(t, request)
		assert.Equal(t, heard, got.Status, "%s", got.Body)
		requests = append(requests, got.Header.Get("X-Request-Id"))
	}
	return requests
}

// recovers waits until everything works again.
func (o outage) recovers(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	require.Eventually(t, func() bool {
		if code, _, _, _ := o.Check(t, "readyz", "database"); code != http.StatusOK {
			return false
		}
		got, err := o.Exchange(o.Request(t, o.token, http.MethodPost, "elastic-keys/"+o.holding.Signer+"/rotate", nil))
		return err == nil && got.Status == http.StatusCreated
	}, mostRecovery, 10*time.Millisecond)
	return time.Since(began)
}

// isRecorded waits until the events of requests are in the audit trail, and makes sure that each is there once.
func (o outage) isRecorded(t *testing.T, requests []string) {
	t.Helper()
	began := time.Now()
	count := func() map[string]int {
		found := map[string]int{}
		got, err := o.Exchange(o.Request(t, o.audit, http.MethodGet, "audit/events?limit=1000&newest=true", nil))
		require.NoError(t, err)
		for _, item := range got.Items(t) {
			event := item["event"].(map[string]any)
			id, _ := event["request_id"].(string)
			found[id]++
		}
		return found
	}
	require.Eventually(t, func() bool {
		found := count()
		for _, id := range requests {
			if found[id] == 0 {
				return false
			}
		}
		return true
	}, mostRecovery, 50*time.Millisecond, "what an operator did is lost")
	t.Logf("the trail had it %s later", time.Since(began).Round(time.Millisecond))
	for _, id := range requests {
		assert.Equal(t, 1, count()[id])
	}
}

// An operator can also seal a service that has lost its database, and the trail tells who it was.
func TestOutage_OperatorSealsAService(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EnginePostgres)
	faulty, fault := dbtest.Faulty(t, cfg.Database)
	cfg.Database = faulty
	addOperators(t, &cfg.Config)
	s := kmstest.Run(t, cfg, files)
	o := outage{Service: s, token: s.Operator(t), audit: s.Token(t, "default", "auditor", "kms:audit", "kms:admin")}
	o.holding = kmstest.NewHolding(t, s, "default", o.token)
	fault.Refuse()
	o.isRecognized(t)
	do := func(path, body string) kmstest.Answer {
		request := o.AdminRequest(t, http.MethodPost, path, body)
		request.Header.Set("Authorization", "Bearer "+o.token)
		return o.Send(t, request)
	}
	sealed := do("seal", "")
	require.Equal(t, http.StatusOK, sealed.Status, "%s", sealed.Body)
	o.Call(t, o.token, http.MethodGet, "elastic-keys", nil).Refused(t, http.StatusServiceUnavailable, "sealed", "a sealed service")
	refused := do("unseal", "{}")
	assert.Equal(t, http.StatusServiceUnavailable, refused.Status, "the keys are in the database: %s", refused.Body)
	fault.Restore()
	var opened kmstest.Answer
	require.Eventually(t, func() bool { opened = do("unseal", "{}"); return opened.Status == http.StatusOK }, mostRecovery, 50*time.Millisecond)
	o.recovers(t)
	o.isRecorded(t, []string{sealed.Header.Get("X-Request-Id"), refused.Header.Get("X-Request-Id"), opened.Header.Get("X-Request-Id")})
}
