package server

import (
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
)

// Status is what the admin listener tells of the server itself.
type Status struct {
	Product   string         `json:"product,omitempty"`
	Build     buildinfo.Info `json:"build"`
	StartedAt Instant        `json:"started_at"`
	Draining  bool           `json:"draining"`
	Sealed    bool           `json:"sealed"`
	PublicURL string         `json:"public_url"`
	MTLSURL   string         `json:"mtls_url,omitempty"`
	InFlight  int64          `json:"in_flight"`
	// Limits are those in force.
	Limits       StatusLimits        `json:"limits"`
	Certificates []StatusCertificate `json:"certificates"`
}

// StatusLimits are the limits in force.
type StatusLimits struct {
	MaxInFlight          int64      `json:"max_in_flight"`
	MaxInFlightPerClient int64      `json:"max_in_flight_per_client"`
	PerAddress           StatusRate `json:"per_address"`
	PerClient            StatusRate `json:"per_client"`
	PerUser              StatusRate `json:"per_user"`
	Allow                []string   `json:"allow"`
	TrustedProxies       []string   `json:"trusted_proxies"`
	Origins              []string   `json:"origins"`
}

// StatusRate is a Rate; a limit of 0 is none.
type StatusRate struct {
	Limit   int     `json:"limit"`
	Seconds float64 `json:"per_seconds"`
	Burst   int     `json:"burst"`
}

// StatusCertificate says how long a certificate of a listener is good for.
type StatusCertificate struct {
	Listener string  `json:"listener"` // public, mtls, admin
	Role     string  `json:"role"`
	Subject  string  `json:"subject"`
	NotAfter Instant `json:"not_after"`
	LeftDays float64 `json:"left_days"`
	Due      bool    `json:"due"`
}

func (s *Server) adminStatus(_ *call, w http.ResponseWriter, _ *http.Request) {
	now := s.settings.Load()
	writeJSON(w, http.StatusOK, Status{
		Product: s.deps.Product, Build: buildinfo.Read(), StartedAt: Instant(s.startedAt), Draining: s.draining.Load(),
		Sealed: s.deps.Barrier != nil && s.deps.Barrier.Sealed(), PublicURL: s.publicURL, MTLSURL: s.mtlsURL, InFlight: s.inFlight.Load(),
		Limits: StatusLimits{
			MaxInFlight: now.maxInFlight, MaxInFlightPerClient: now.share, PerAddress: statusRate(now.source.Rates.PerAddress),
			PerClient: statusRate(now.source.Rates.PerClient), PerUser: statusRate(now.source.Rates.PerUser),
			Allow: texts(now.source.Access.Allow), TrustedProxies: texts(now.source.Access.TrustedProxies), Origins: texts(now.source.CORS.Origins),
		},
		Certificates: s.certificates(),
	})
}

func statusRate(r Rate) StatusRate {
	return StatusRate{Limit: r.Limit, Seconds: r.Per.Seconds(), Burst: r.Burst}
}

// texts is a list that JSON has as an array even when it is empty.
func texts(list []string) []string { return append([]string{}, list...) }

// certificates lists those of all listeners whose source tells.
func (s *Server) certificates() []StatusCertificate {
	out := []StatusCertificate{}
	for _, l := range []struct {
		name   string
		source TLS
	}{{"public", s.deps.TLS}, {"mtls", s.deps.MTLS}, {"admin", s.deps.AdminTLS}} {
		reporter, ok := l.source.(ExpiryReporter)
		if !ok {
			continue
		}
		for _, e := range reporter.Expiry() {
			out = append(out, StatusCertificate{
				Listener: l.name, Role: e.Role, Subject: e.Subject, NotAfter: Instant(e.NotAfter), LeftDays: float64(e.Left/time.Hour) / 24, Due: e.Due,
			})
		}
	}

	return out
}
