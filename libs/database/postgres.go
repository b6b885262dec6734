package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Bounds of PostgreSQL connections and statements. A statement that runs into one fails as unavailable and changes nothing.
const (
	connectTimeout     = 5 * time.Second
	connectionLifetime = 30 * time.Minute // so that load returns to a host that came back
	connectionIdleTime = 5 * time.Minute
	statementTimeout   = 10 * time.Second // somebody waits for nearly all of them
	lockTimeout        = 8 * time.Second
	idleTransaction    = 60 * time.Second // a replica that hangs must not hold its locks for ever
)

// minPassword is the shortest password in bytes that an approved HMAC accepts as a key, 112 bits (SP 800-131A); SCRAM keys one with it.
const minPassword = 14

// openPostgres opens one pool.
func openPostgres(ctx context.Context, cfg Config, opts Options) (*DB, error) {
	connection, err := postgresConfig(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	owner, err := ownerConfig(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL: owner: %w", err)
	}
	tenancy := &tenancy{
		role: connection.User, security: cfg.RowSecurity, schemaLimit: cfg.SchemaTenants, twoRoles: owner != nil,
		isolated: map[string]bool{},
	}
	hearing := newHearing()
	connection.DialFunc = dialImpatient(hearing.suspect)
	tenancy.bound.Store(owner != nil || cfg.RowSecurity == RowSecurityRequire || cfg.SchemaTenants > 0)

	pool := sql.OpenDB(binder{Connector: stdlib.GetConnector(*connection), tenancy: tenancy})
	hearing.ask = pool.PingContext
	keepConnections(pool, poolSize(cfg.MaxConnections))
	pool.SetConnMaxLifetime(connectionLifetime)
	pool.SetConnMaxIdleTime(connectionIdleTime)

	db := &DB{engine: EnginePostgres, log: opts.Log, writer: pool, reader: pool, tenancy: tenancy, hearing: hearing}
	if owner == nil {
		owner = connection
	}
	db.migrations = func(schema string) (*sql.DB, func() error) {
		patient := owner.Copy()
		patient.RuntimeParams["statement_timeout"] = "0"
		patient.DialFunc = dialer().DialContext
		patient.RuntimeParams[tenantSetting] = AllTenants // row-level security holds back the owner, too
		if schema != "" {
			patient.RuntimeParams["search_path"] = schema + ", pg_temp"
		}
		pool := sql.OpenDB(stdlib.GetConnector(*patient))
		return pool, pool.Close
	}
	db.migrationLock = db.advisoryLock
	if err := pool.QueryRowContext(ctx, "SHOW search_path").Scan(&tenancy.path); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL: %w", asUnavailable(err)), db.Close())
	}
	if err := db.detectTenancy(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL: %w", asUnavailable(err)), db.Close())
	}
	return db, nil
}

// ownerConfig is the connection of the tables' owner, nil when the application's role owns them.
func ownerConfig(cfg Config, opts Options) (*pgx.ConnConfig, error) {
	if cfg.Owner.URL == "" {
		return nil, nil //nolint:nilnil // no owner, no error
	}
	cfg.URL, cfg.Password = cfg.Owner.URL, cfg.Owner.Password
	return postgresConfig(cfg, opts)
}

// postgresConfig is the connection that cfg describes. Whatever the environment of the process says (PGPASSWORD and its kin), the
// password comes from its file, and only SCRAM-SHA-256 is answered: a server that asks for MD5 or clear text learns nothing.
func postgresConfig(cfg Config, opts Options) (*pgx.ConnConfig, error) {
	password, err := cfg.Password.ReadText()
	if err != nil {
		return nil, err
	}
	if err := checkPassword(password); err != nil {
		return nil, fmt.Errorf("password in %s: %w", cfg.Password.File(), err)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("url is malformed")
	}
	query := u.Query()
	if !query.Has("sslmode") {
		query.Set("sslmode", "verify-full")
	}
	query.Set("require_auth", "scram-sha-256")
	query.Set("user", u.User.Username())
	u.RawQuery = query.Encode()

	connection, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, err
	}
	connection.Password = password
	if !query.Has("connect_timeout") {
		connection.ConnectTimeout = connectTimeout
	}
	connection.RuntimeParams = map[string]string{
		"application_name":                    opts.Application,
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTransaction),
	}
	requireTLS13(connection.TLSConfig)
	for _, fallback := range connection.Fallbacks {
		requireTLS13(fallback.TLSConfig)
	}
	if mode := query.Get("sslmode"); (mode == "disable" || mode == "require") && !isLocal(connection.Host) {
		opts.Log.Warn("the database server is not authenticated: set sslmode=verify-full", "host", connection.Host, "sslmode", mode)
	}
	return connection, nil
}

func requireTLS13(c *tls.Config) {
	if c != nil {
		c.MinVersion = tls.VersionTLS13
	}
}

// isLocal says whether traffic to host stays on this machine: a socket's folder or a loopback address.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (host != "" && host[0] == '/') || (ip != nil && ip.IsLoopback())
}

// checkPassword also keeps out what RFC 8265 would map to other, perhaps fewer, bytes before SCRAM uses it.
func checkPassword(password string) error {
	for _, c := range []byte(password) {
		if c < ' ' || c > '~' {
			return errors.New("holds characters other than printable ASCII")
		}
	}
	if len(password) < minPassword {
		return fmt.Errorf("has %d characters, SCRAM in FIPS 140-3 mode needs at least %d: set a longer one (ALTER ROLE ... PASSWORD)", len(password), minPassword)
	}
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// migrationLockKey is the advisory lock of who migrates.
const migrationLockKey = int64(0x63727970746f6d67)

// advisoryLock holds a lock of the server with a connection of its own, and so gives it up however the process ends.
func (db *DB) advisoryLock(ctx context.Context) (unlock func() error, err error) {
	const patience = 5 * time.Minute
	pool, done := db.migrations("")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	if _, err = connection.ExecContext(ctx, "SET lock_timeout = 0"); err == nil {
		_, err = connection.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLockKey)
	}
	if err != nil {
		return nil, errors.Join(err, connection.Close(), done())
	}
	return func() error { return errors.Join(connection.Close(), done()) }, nil
}
