package faulttest_test

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyringtest"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

const (
	// cutsVariable is how often the connections to the database are cut, seedVariable repeats the choices of a run whose log names its seed.
	cutsVariable = "CRYPTOUTIL_TEST_CUTS"
	seedVariable = "CRYPTOUTIL_TEST_SEED"
	defaultCuts  = 40
	// betweenCuts is the longest time from one cut to the next, mostAway that of an outage.
	betweenCuts, mostAway = 60 * time.Millisecond, 150 * time.Millisecond
	mostRest              = 2 * time.Second
)

func setting(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, variable)
	return number
}

// saw cuts what connects a service with its database, at random moments.
type saw struct {
	fault    *dbtest.Fault
	answered func() int64  // how many requests have been
	over     chan struct{} // closed when it has done its work
	made     map[string]int
}

// start begins to cut; the returned function waits for the end.
func (s *saw) start(random *rand.Rand, cuts uint64) (wait func()) {
	kinds := []string{"before the commit", "before its answer", "at any time", "for a while"}
	s.over, s.made = make(chan struct{}), map[string]int{}
	var cutting sync.WaitGroup
	cutting.Go(func() {
		defer close(s.over)
		for range cuts {
			s.rest(time.Duration(random.Int64N(int64(betweenCuts))))
			kind := []int{0, 0, 0, 1, 1, 1, 2, 2, 2, 3}[random.IntN(10)]
			switch kind {
			case 0:
				s.fault.LoseNextCommit()
			case 1:
				s.fault.LoseNextAnswer()
			case 2, 3:
				s.fault.Refuse()
				if kind == 3 {
					time.Sleep(time.Duration(random.Int64N(int64(mostAway)))) //nolint:forbidigo // the length of the outage
				}
				s.fault.Restore()
			}
			s.made[kinds[kind]]++
		}
	})
	return cutting.Wait
}

// rest waits for a time, and then until something was answered: who cuts faster than a slow machine works sees nothing done, again and again.
func (s *saw) rest(least time.Duration) {
	before, late := s.answered(), time.Now().Add(mostRest)
	time.Sleep(least) //nolint:forbidigo // the moment of the cut
	for s.answered() == before && time.Now().Before(late) {
		time.Sleep(time.Millisecond) //nolint:forbidigo // nobody tells
	}
}

func (s *saw) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// sawn is a service between which and its database connections are cut, with a second tenant.
type sawn struct {
	*kmstest.Service

	other  *kmstest.Service // as the other tenant's administrator sees it
	saw    *saw
	db     *database.DB // not through what is cut
	serial atomic.Int64
	asked  atomic.Int64 // requests
	stands atomic.Int64 // answers that tell what became of a request
	again  atomic.Int64 // of them repeated ones
	claims sync.Mutex
}

// newSawn starts the service. Both administrators have certificates.
func newSawn(t *testing.T) *sawn {
	t.Helper()
	cfg, files := kmstest.Prepare(t, database.EnginePostgres)
	direct := cfg.Database
	faulty, fault := dbtest.Faulty(t, cfg.Database)
	cfg.Database = faulty
	cfg.Keys.MaintenanceInterval, cfg.Keys.FlushInterval = 100*time.Millisecond, 100*time.Millisecond
	var own, others tls.Certificate
	a := kmstest.Administered(t, &cfg)
	kmstest.AddClient(t, &cfg, "default", "root.example", kmstest.Root)
	kmstest.AddClient(t, &cfg, "other", "other.example", kmstest.Root)
	own, others = a.Issue(t, "root.example"), a.Issue(t, "other.example")
	edited := &servicetest.Running{Config: &cfg.Config, Files: files}
	edited.EditRealm(t, func(text string) string { return strings.Replace(text, "tenants:\n", "tenants:\n  - id: other\n", 1) })
	s := kmstest.Run(t, cfg, files)
	db, err := database.Open(t.Context(), direct, dbtest.Options(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	w := &sawn{Service: s.As(t, own), other: s.As(t, others), saw: &saw{fault: fault}, db: db}
	w.saw.answered = w.stands.Load
	return w
}

// expireClaims has the requests that hold an Idempotency-Key and have no answer be older than any request can be. Who asks again waits for no
// answer any more.
func (s *sawn) expireClaims(t testing.TB) {
	t.Helper()
	s.claims.Lock()
	defer s.claims.Unlock()
	s.directly(t, "UPDATE idempotency_records SET claimed_at = 0 WHERE state = 'running' AND claimed_at < $1", database.Micros(time.Now().Add(-200*time.Millisecond)))
}

// directly changes the database, not through what is cut.
func (s *sawn) directly(t testing.TB, statement string, values ...any) {
	t.Helper()
	ctx := database.WithTenant(context.WithoutCancel(t.Context()), database.AllTenants)
	_, err := s.db.Exec(ctx, statement, values...)
	require.NoError(t, err)
}

// reads reads one number.
func (s *sawn) reads(t testing.TB, query string, values ...any) (n int) {
	t.Helper()
	ctx := database.WithTenant(context.WithoutCancel(t.Context()), database.AllTenants)
	require.NoError(t, s.db.QueryRow(ctx, query, values...).Scan(&n))
	return n
}

// stubborn is a client that repeats its requests, each with the Idempotency-Key that it had, until the service can tell what became of them.
type stubborn struct {
	t    testing.TB
	sawn *sawn
	by   *http.Client
	last *time.Time // of its answers
}

// settled waits until the last change is in force: a replica that cannot hear of it for the cuts is still within its second.
func (c stubborn) settled() { time.Sleep(time.Until(c.last.Add(time.Second))) } //nolint:forbidigo // the time that is promised

// do asks for something. unsure tells that an earlier attempt may have done it.
func (c stubborn) do(method, path string, body any, header ...string) (got kmstest.Answer, unsure bool) {
	c.t.Helper()
	if method == http.MethodPost {
		header = append([]string{kmstest.IdempotencyKey, "k-" + strconv.FormatInt(c.sawn.serial.Add(1), 10)}, header...)
	}
	began := time.Now()
	for attempt := 0; ; attempt++ {
		c.sawn.asked.Add(1)
		got, err := servicetest.Exchange(c.by, c.sawn.Request(c.t, "", method, path, body, header...))
		require.NoError(c.t, err, "%s %s", method, path)
		answered := kmstest.Answer{Answer: got}
		switch {
		case got.Status == http.StatusServiceUnavailable:
			assert.NotEmpty(c.t, got.Header.Get("Retry-After"), "%s", got.Body)
		case got.Status == http.StatusConflict && answered.Member(c.t, "code") == "idempotency_in_progress":
			if attempt > 10 {
				c.sawn.expireClaims(c.t)
			}
		default:
			require.Less(c.t, got.Status, http.StatusInternalServerError, "%s %s: %s", method, path, got.Body)
			*c.last = time.Now()
			c.sawn.stands.Add(1)
			return answered, attempt > 0
		}
		c.sawn.again.Add(1)
		require.Less(c.t, time.Since(began), time.Minute, "%s %s: %d %s", method, path, got.Status, got.Body)
		time.Sleep(min(time.Duration(attempt+1)*5*time.Millisecond, 100*time.Millisecond)) //nolint:forbidigo // as Retry-After asks, in small
	}
}

// done is do for what must succeed.
func (c stubborn) done(method, path string, body any, header ...string) kmstest.Answer {
	c.t.Helper()
	got, _ := c.do(method, path, body, header...)
	require.Equal(c.t, 2, got.Status/100, "%s %s: %d %s", method, path, got.Status, got.Body)
	return got
}

func (s *sawn) stubborn(t testing.TB, by *http.Client) stubborn {
	t.Helper()
	return stubborn{t: t, sawn: s, by: by, last: &time.Time{}}
}

// The connections to the database are cut at random moments, before a commit, between it and its answer, anywhere, or for a while: each change that
// a client asks for, and asks for again with the same Idempotency-Key, happens once, whole, and what was acknowledged stays. On SQLite there is no
// connection that could be cut, only a process that can be killed: services/cryptoutil does that.
func TestCuts_OfTheDatabaseLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	seed, cuts := setting(t, seedVariable, rand.Uint64()), setting(t, cutsVariable, defaultCuts)
	t.Logf("%s=%d", seedVariable, seed)
	s := newSawn(t)
	people := s.people(t)
	wait := s.saw.start(rand.New(rand.NewPCG(seed, 0)), cuts)
	var working sync.WaitGroup
	for name, work := range map[string]func(*testing.T, *rand.Rand){
		"life-1":   func(t *testing.T, random *rand.Rand) { s.lives(t, "one", random) },
		"life-2":   func(t *testing.T, random *rand.Rand) { s.lives(t, "two", random) },
		"life-3":   func(t *testing.T, random *rand.Rand) { s.lives(t, "three", random) },
		"imports":  s.imports,
		"early":    func(t *testing.T, _ *rand.Rand) { s.endsEarly(t, people) },
		"due":      func(t *testing.T, _ *rand.Rand) { s.endsDue(t) },
		"restores": func(t *testing.T, _ *rand.Rand) { s.restores(t) },
	} {
		working.Go(func() { // all at once, however few tests may be parallel
			t.Run(name, func(t *testing.T) { work(t, rand.New(rand.NewPCG(seed, uint64(name[len(name)-1])))) })
		})
	}
	working.Wait()
	wait()
	s.saw.fault.Restore()
	t.Logf("cut %v; %d requests, of them %d repeated ones", s.saw.made, s.asked.Load(), s.again.Load())
	s.isWhole(t)
}

// lives plays the life of keys against its model.
func (s *sawn) lives(t *testing.T, name string, random *rand.Rand) {
	t.Helper()
	for turn := 0; !s.saw.ended(); turn++ {
		prefix := name + "-" + strconv.Itoa(turn) + "-"
		keyringtest.Play(t, persistent{stubborn: s.stubborn(t, s.HTTP), prefix: prefix}, random, 40)
	}
}
