package revocation_test

import (
	"context"
	"encoding/binary"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// benchmarkOCSP asks from as many goroutines as there are processors.
func benchmarkOCSP(b *testing.B, delegated bool, certificates int, forget func(r *replica, i issued)) {
	b.Helper()
	cfg := dbtest.Fresh(b, database.EngineSQLite, sets(b)...)
	s := newShared()
	s.cas.add(b, tenant, "ca")
	r := newReplica(b, dbtest.Open(b, cfg, sets(b)...), s)
	r.run(b)
	if delegated {
		issuer, err := r.cas.Issuer(b.Context(), tenant, "ca")
		require.NoError(b, err)
		require.NoError(b, r.delegates.Renew(b.Context(), issuer))
	}
	all, questions := make([]issued, certificates), make([][]byte, certificates)
	for i := range all {
		all[i] = r.issue(b)
		questions[i] = r.question(b, "ca", all[i].serial)
		_, err := r.responder.Answer(b.Context(), tenant, "ca", questions[i])
		require.NoError(b, err)
	}
	ctx := context.WithoutCancel(b.Context())
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1)) % certificates
			if forget != nil {
				forget(r, all[i])
			}
			answer, err := r.responder.Answer(ctx, tenant, "ca", questions[i])
			if err != nil || len(answer.DER) < 100 {
				b.Error("no answer", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkOCSP_Cached parses a request and finds the response that was signed before.
func BenchmarkOCSP_Cached(b *testing.B) { benchmarkOCSP(b, true, 1000, nil) }

// BenchmarkOCSP_Uncached also reads the status from SQLite and signs (ECDSA P-256).
func BenchmarkOCSP_Uncached(b *testing.B) {
	benchmarkOCSP(b, true, 1000, func(r *replica, i issued) { r.responder.ForgetStatus(tenant, i.String()) })
}

// BenchmarkPublish_Million makes the list of a CA of which 1,000,000 certificates are revoked: from the database, encoded, into the database in parts,
// read back, signed. It reports the highest use of the heap, sampled every 10 ms.
func BenchmarkPublish_Million(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		b.Run(engine, func(b *testing.B) {
			cfg := dbtest.Fresh(b, engine, sets(b)...)
			s := newShared()
			s.cas.add(b, tenant, "ca")
			r := newReplica(b, dbtest.Open(b, cfg, sets(b)...), s)
			r.fill(b, 1_000_000)
			runtime.GC()
			stop, peak := peakHeap()
			began := processor(b)
			b.ResetTimer()
			for b.Loop() {
				require.NoError(b, r.publisher.PublishNow(b.Context(), officer(), "ca"))
			}
			b.StopTimer()
			stop()
			b.ReportMetric((processor(b)-began).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(peak.Load())/(1<<20), "peak-MiB")
			list, err := r.lists.Find(b.Context(), tenant, "ca", "0.crl")
			require.NoError(b, err)
			require.EqualValues(b, 1_000_000, list.Entries)
			reading := time.Now()
			require.NoError(b, r.lists.WriteTo(b.Context(), io.Discard, list))
			b.ReportMetric(float64(list.Size)/(1<<20), "list-MiB")
			b.ReportMetric(time.Since(reading).Seconds(), "read-s")
		})
	}
}

// processor is the time that this process has had of the processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// fill puts revocations straight into the table for lists.
func (r *replica) fill(b *testing.B, n int) {
	b.Helper()
	const batch = 10_000
	serial := certificate.NewSerial()
	for from := 0; from < n; from += batch {
		err := r.db.InTx(b.Context(), func(ctx context.Context) error {
			for i := from; i < from+batch; i++ {
				binary.BigEndian.PutUint64(serial[4:], uint64(i))
				_, err := r.db.Exec(ctx, `
					INSERT INTO ca_revocations (tenant_id, ca_id, shard, serial, revoked_at, reason, invalid_at, not_after, revision)
					VALUES ($1, 'ca', 0, $2, $3, 4, 0, $4, $5)`, tenant, []byte(serial), r.clock.read().UnixMicro(), r.clock.read().Add(time.Hour*1000).UnixMicro(), int64(i+1))
				if err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(b, err)
	}
	_, err := r.db.Exec(b.Context(), `INSERT INTO ca_crl_numbers (tenant_id, ca_id, number, revision) VALUES ($1, 'ca', 0, $2)`, tenant, int64(n))
	require.NoError(b, err)
}

// peakHeap samples the heap until stop is called.
func peakHeap() (stop func(), peak *atomic.Uint64) {
	peak = &atomic.Uint64{}
	ended := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
		}
	})
	return func() { close(ended); sampling.Wait() }, peak
}
