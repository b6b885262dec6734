//go:build e2e

package cryptoutil_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// schemaTenants have a schema of their own.
const schemaTenants = 24

// migrate calls `kms-server migrate`.
func migrate(t *testing.T, dir string) call {
	t.Helper()
	return call{path: program(t, kmsServer), args: []string{"migrate", "--config", filepath.Join(dir, "kms.yaml")}, env: environment(t.TempDir())}
}

// migrateAmid calls migrate and kills it at a moment; it tells whether it had ended before.
func migrateAmid(t *testing.T, dir string, moment time.Duration) (whole bool) {
	t.Helper()
	p := launch(t, migrate(t, dir))
	select {
	case <-p.ended:
		require.Zero(t, p.exit, "%s%s", p.stdout, p.stderr)
		return true
	case <-time.After(moment):
		p.kill()
		return p.exit == 0
	}
}

// The platform's whole set of migrations may be cut off anywhere, and twice; then it is completed, to the same schema.
func TestKill_AMigrationThatWasCutOffIsCompleted(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			dir, data := preparedOn(t, engine)
			begun := time.Now()
			require.Zero(t, migrate(t, dir).run(t).exit)
			takes := time.Since(begun)
			want := schemaOf(t, data)
			require.Greater(t, len(want), 50)
			cut := 0
			for round := range rounds {
				dir, data := preparedOn(t, engine)
				for range 2 {
					if !migrateAmid(t, dir, time.Duration(random.Int64N(int64(takes)))) {
						cut++
					}
				}
				got := migrate(t, dir).run(t)
				require.Zero(t, got.exit, "round %d: %s%s", round, got.stdout, got.stderr)
				assert.Contains(t, migrate(t, dir).run(t).stdout, "0 migrations applied", "round %d", round)
				require.Equal(t, want, schemaOf(t, data), "round %d", round)
				i := serve(t, dir)
				newVault(t, i).opens(t, i)
				i.kill()
			}
			t.Logf("%d of %d kills came before the end; a whole migration takes %s; %d lines of schema are the same each time",
				cut, 2*rounds, takes.Round(time.Millisecond), len(want))
		})
	}
}

// schemaOf lists what is in a database, apart from rows.
func schemaOf(t *testing.T, data database.Config) (lines []string) {
	t.Helper()
	query := `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master`
	if data.Engine == database.EnginePostgres {
		query = `SELECT table_schema || '.' || table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
				FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
			UNION ALL SELECT schemaname || ' ' || indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
			UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
				WHERE contype IN ('c', 'f', 'u', 'p') AND connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')`
	}
	inDatabase(t, data, func(ctx context.Context, db *database.DB) error {
		rows, err := db.Query(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // its errors are those of Err
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	slices.Sort(lines)
	return lines
}

// Many tenants have schemas of their own. Making them, and migrating them all anew, may be cut off anywhere.
func TestKill_SchemasOfTenantsAreCompleted(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir, data := preparedOn(t, database.EnginePostgres)
	replaceInFile(t, filepath.Join(dir, "kms.yaml"), regexp.MustCompile(`(?m)^  engine: postgres\n`), "  engine: postgres\n  schema_tenants: 200\n")
	i := serve(t, dir)
	v := newVault(t, i)

	// The service dies while tenants are made.
	made := map[string]bool{}
	for round := range rounds {
		made = i.makeTenants(t, made, schemaTenants, time.Duration(50+random.IntN(600))*time.Millisecond)
		i = serve(t, dir)
		listed := map[string]bool{}
		for _, tenant := range listAll[struct {
			ID        string `json:"id"`
			Isolation string `json:"isolation"`
		}](t, i.landlord(t), "tenants") {
			listed[tenant.ID] = true
		}
		for name := range made {
			assert.True(t, listed[name], "round %d: %s was acknowledged and is lost", round, name)
		}
		t.Logf("round %d: %d of %d tenants when it was killed", round, len(made), schemaTenants)
		if len(made) == schemaTenants {
			break
		}
	}
	made = i.makeTenants(t, made, schemaTenants, patience)
	require.Len(t, made, schemaTenants)
	i = serve(t, dir)
	i.stop(t)
	want := schemaOf(t, data)
	alike(t, want)

	// All their schemas are to be migrated anew, and that dies again and again.
	for round := range rounds {
		inDatabase(t, data, func(ctx context.Context, db *database.DB) error {
			for name := range made {
				schema := database.SchemaOf(name)
				if _, err := db.Exec(ctx, `DROP SCHEMA "`+schema+`" CASCADE`); err != nil {
					return err
				}
				if _, err := db.Exec(ctx, `CREATE SCHEMA "`+schema+`"`); err != nil {
					return err
				}
			}
			return nil
		})
		cut := 0
		for range 4 {
			if migrateAmid(t, dir, time.Duration(100+random.IntN(400))*time.Millisecond) {
				break
			}
			cut++
		}
		got := migrate(t, dir).run(t)
		require.Zero(t, got.exit, "round %d: %s%s", round, got.stdout, got.stderr)
		require.Equal(t, want, schemaOf(t, data), "round %d", round)
		said := strings.Split(strings.TrimSpace(got.stdout), "\n")
		t.Logf("round %d: %d schemas, killed %d times; at last: %s", round, schemaTenants, cut, said[len(said)-1])
	}
	i = serve(t, dir)
	v.opens(t, i)
	i.stop(t)
}

// tenantSchema is the schema of one of the tenants at the begin of a line of schemaOf.
var tenantSchema = regexp.MustCompile(`tenant_t_?[0-9a-z_]*`)

// alike checks that the schemas of all tenants hold the same.
func alike(t *testing.T, lines []string) {
	t.Helper()
	count := map[string]int{}
	for _, line := range lines {
		if schema := tenantSchema.FindString(line); schema != "" {
			count[strings.ReplaceAll(line, schema, "")]++
		}
	}
	require.NotEmpty(t, count)
	for line, n := range count {
		assert.Equal(t, schemaTenants, n, line)
	}
}

// landlord is a client of the administration API by the certificate of the program that administers.
func (i *installation) landlord(t *testing.T) *api {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(i.file("credentials", "admin.pem"), i.file("credentials", "admin.key"))
	require.NoError(t, err)
	a := i.api(t)
	transport, ok := a.client.Transport.(*http.Transport)
	require.True(t, ok)
	transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	words := mutualWords.FindStringSubmatch(i.process.stdout.String())
	require.NotNil(t, words)
	a.base, a.client.Transport = words[1]+"/service/api/v1/", certificateAlone{transport}
	return a
}

// certificateAlone sends requests without the credential of the client of the API.
type certificateAlone struct{ http.RoundTripper }

func (c certificateAlone) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Del("Authorization")
	return c.RoundTripper.RoundTrip(request)
}

// makeTenants makes what tenants are lacking, four at a time, and kills the service at a moment or at the end. It returns which are known to be there.
func (i *installation) makeTenants(t *testing.T, made map[string]bool, all int, moment time.Duration) map[string]bool {
	t.Helper()
	a := i.landlord(t)
	var mu sync.Mutex
	var refusals []string
	names := make(chan string, all)
	for n := range all {
		if name := fmt.Sprintf("t%02d", n); !made[name] {
			names <- name
		}
	}
	close(names)
	timer := time.AfterFunc(moment, func() { _ = i.cmd.Process.Kill() })
	defer timer.Stop()
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for name := range names {
				answer, err := a.do(context.WithoutCancel(t.Context()), http.MethodPost, "tenants", map[string]string{"id": name, "isolation": "schema"}, nil)
				mu.Lock()
				switch {
				case err != nil:
				case answer.status == http.StatusCreated, answer.status == http.StatusConflict: // made before the answer could be given
					made[name] = true
				default:
					refusals = append(refusals, string(answer.body))
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	workers.Wait()
	i.kill()
	assert.Empty(t, refusals)
	return made
}
