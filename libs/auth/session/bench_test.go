package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// What a session in memory costs a request.
func BenchmarkFind(b *testing.B) {
	f := newFixture(b, dbtest.Open(b, dbtest.Fresh(b, database.EngineSQLite, sets()...), sets()...))
	for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
		m := f.manager(b, ofFormat(format))
		issued := f.begin(b, m, alice, session.ClientBrowser)
		program := f.begin(b, m, billing, session.ClientService)
		b.Run(string(format)+"/cookie", func(b *testing.B) {
			r := withCookie(b, m, "/browser/api/v1/self", issued)
			b.ReportAllocs()
			for b.Loop() {
				_, err := m.Session(b.Context(), r)
				require.NoError(b, err)
			}
		})
		b.Run(string(format)+"/bearer", func(b *testing.B) {
			r := request(b, "/service/api/v1/self")
			b.ReportAllocs()
			for b.Loop() {
				if !m.Recognizes(program.Token) {
					b.Fatal("not recognized")
				}
				_, err := m.Authenticate(b.Context(), r, program.Token)
				require.NoError(b, err)
			}
		})
	}
}
