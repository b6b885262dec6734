package audit_test

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func benchmarked(b *testing.B, engine string) *replica {
	b.Helper()
	r := newReplica(b, dbtest.Open(b, dbtest.Fresh(b, engine, platform()...), platform()...), func(c *audit.Config) { c.Now = time.Now })
	require.NoError(b, r.Prepare(b.Context()))
	return r
}

// BenchmarkRecord is what an event adds to a transaction: the transactions of the two differ by it.
func BenchmarkRecord(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		r := benchmarked(b, engine)
		r.exec("CREATE TABLE things (n BIGINT)")
		e := audit.Event{
			Tenant: "acme", Actor: audit.Actor{Kind: "user", ID: "0197", Name: "alice"}, Action: "key.create", Object: audit.Object{Kind: "key", ID: "0198", Version: 1},
			RequestID: "0199", Address: netip.MustParseAddr("192.0.2.1"),
		}
		for name, record := range map[string]bool{"without": false, "with": true} {
			b.Run(engine+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				ctx := database.WithTenant(b.Context(), "acme")
				for b.Loop() {
					err := r.db.InTx(ctx, func(ctx context.Context) error {
						if _, err := r.db.Exec(ctx, "INSERT INTO things (n) VALUES ($1)", 1); err != nil || !record {
							return err
						}
						return r.Record(ctx, e)
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	r := benchmarked(b, database.EngineSQLite)
	o := encryption("k")
	o.Time = time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(o)
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	r := benchmarked(b, database.EngineSQLite)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		o := encryption("k")
		o.Time = time.Now()
		for p.Next() {
			r.Observe(o)
		}
	})
}

// BenchmarkSequence numbers 1,000 events per operation.
func BenchmarkSequence(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		b.Run(engine, func(b *testing.B) {
			r := benchmarked(b, engine)
			for b.Loop() {
				b.StopTimer()
				r.recordMany(1000)
				b.StartTimer()
				r.sequence()
			}
		})
	}
}

// BenchmarkExport exports and signs 5,000 events per operation.
func BenchmarkExport(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		b.Run(engine, func(b *testing.B) {
			r := benchmarked(b, engine)
			r.recordMany(5000)
			r.sequence()
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, r.Export(b.Context(), "acme", audit.Range{}, io.Discard))
			}
		})
	}
}
