package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// doctorPatience bounds each look at something outside of this process.
const doctorPatience = 5 * time.Second

// ports tells whether the listeners' addresses are free, or this service has them.
func (d *doctor) ports(ctx context.Context) {
	running := d.running(ctx)
	for _, listener := range []struct{ name, address string }{
		{"public", d.cfg.Public.Address}, {"mtls", d.cfg.MTLS.Address}, {"admin", d.cfg.Admin.Address}, {"metrics", d.cfg.Telemetry.Prometheus.Address},
	} {
		if listener.address == "" {
			continue
		}
		check := "port-" + listener.name
		var config net.ListenConfig
		free, err := config.Listen(ctx, "tcp", listener.address)
		switch {
		case err == nil:
			d.outcome(check, free.Close(), listener.address+" is free", "")
		case errors.Is(err, syscall.EADDRINUSE) && running:
			d.report(check, doctorOK, listener.address+": the service is running", "")
		case errors.Is(err, syscall.EADDRINUSE):
			d.report(check, doctorFailing, listener.address+" is in use by something else", "end it (ss -ltnp shows what it is), or set "+listener.name+".address")
		case errors.Is(err, syscall.EACCES):
			d.report(check, doctorFailing, err.Error(), "take a port from 1024 on, or give the program CAP_NET_BIND_SERVICE")
		default:
			d.report(check, doctorFailing, err.Error(), "give "+listener.name+".address an address of this machine")
		}
	}
}

// running tells whether this service's own admin listener answers.
func (d *doctor) running(ctx context.Context) bool {
	roots, err := tlsconfig.LoadRoots(d.cfg.rootFile())
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+d.cfg.Admin.Address+"/admin/v1/livez", nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots), DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK && answer.TLS.Version == tls.VersionTLS13
}

// How far this machine's clock may be from the database's before doctor warns, and fails.
const (
	someSkew = time.Second
	muchSkew = 30 * time.Second
)

// database looks at the connection, the schema and the clock.
func (d *doctor) database(ctx context.Context) {
	cfg := d.cfg.Database
	if cfg.Engine == database.EngineSQLite {
		if _, err := os.Stat(cfg.Path.String()); errors.Is(err, fs.ErrNotExist) {
			d.report("database", doctorOK, cfg.Path.String()+" is made at first start", "")
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	db, err := database.Open(ctx, cfg, database.Options{Log: slog.New(slog.DiscardHandler), Application: d.description.Name + " doctor"})
	if err == nil {
		defer func() { _ = db.Close() }() // only read
		err = db.Ping(ctx)
	}
	fix := "start the database server, and check database.url and the password file"
	if cfg.Engine == database.EngineSQLite {
		fix = "let the service's user read and write the file and its folder"
	}
	if !d.outcome("database", err, cfg.Engine, fix) {
		return
	}
	sets, err := d.description.Sets()
	if err == nil {
		var pending int
		if pending, err = db.Pending(ctx, sets...); err == nil && pending > 0 {
			d.report("migrations", doctorWarning, fmt.Sprintf("%d are pending", pending), d.path+" migrate --config "+d.file)
		} else {
			d.outcome("migrations", err, "the schema is up to date", d.path+" migrate --config "+d.file)
		}
	}
	if cfg.Engine == database.EnginePostgres {
		d.clock(ctx, db)
	}
}

// clock compares this machine's clock with the database server's.
func (d *doctor) clock(ctx context.Context, db *database.DB) {
	var there int64
	before := time.Now()
	err := db.QueryRow(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&there)
	if err != nil {
		d.report("clock", doctorWarning, err.Error(), "")
		return
	}
	skew := database.Time(there).Sub(before.Add(time.Since(before) / 2)).Round(time.Millisecond)
	status, fix := doctorOK, ""
	if skew.Abs() > someSkew {
		status, fix = doctorWarning, "have both machines set their clocks by NTP"
	}
	if skew.Abs() > muchSkew {
		status = doctorFailing
	}
	d.report("clock", status, fmt.Sprintf("the database's clock is %v ahead", skew), fix)
}

// peers asks the resolver for the names of the peers.
func (d *doctor) peers(ctx context.Context) {
	federation := d.cfg.Federation
	if !federation.Enabled {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	for _, peer := range []struct{ name, url string }{
		{"identity", federation.Identity.AuthzURL}, {"identity", federation.Identity.IDPURL}, {"jose", federation.JOSE.JAURL}, {"kms", federation.KMS.URL}, {"ca", federation.CA.URL},
	} {
		if peer.url == "" {
			continue
		}
		target, err := url.Parse(peer.url)
		if err == nil {
			_, err = net.DefaultResolver.LookupHost(ctx, target.Hostname())
		}
		d.outcome("dns-"+peer.name, err, peer.url, "correct federation."+peer.name+" or the resolver of this machine")
	}
}
