package server

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/gcra"
	"github.com/cryptoutil/cryptoutil/libs/server/internal/share"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// limiterKeys is how many keys each limiter in process remembers: some 10 MiB when all of them are in use.
const limiterKeys = 1 << 16

// caller is who a limit counts for: a principal, or for requests without one an address.
type caller struct {
	tenant, kind, id string
	address          netip.Addr
}

// limiters are the state of the limits in process.
type limiters struct {
	addresses *gcra.Limiter[netip.Addr]
	callers   *gcra.Limiter[caller]
	inFlight  *share.Counter[caller]
}

func newLimiters() *limiters {
	return &limiters{
		addresses: gcra.New[netip.Addr](limiterKeys), callers: gcra.New[caller](limiterKeys), inFlight: share.New[caller](),
	}
}

// limitAddress bounds what comes from one address, before it costs anything.
func (s *Server) limitAddress(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		rate := c.settings.perAddress
		if !rate.Unlimited() {
			verdict := s.limiters.addresses.Take(networkOf(c.address), rate, 1, s.now())
			if !verdict.Allowed {
				s.refuse(c, w, r, "address", rate, verdict)

				return
			}
		}
		next(c, w, r)
	}
}

// limitCaller bounds what one caller asks for, and how much of what is in flight is that caller's. Those who came in without a
// credential share what their address has.
func (s *Server) limitCaller(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		var who caller
		if p := c.principal; p != nil {
			who = caller{tenant: p.Tenant, kind: p.Kind, id: p.ID}
			rate, name := c.settings.perClient, "client"
			if p.Person() {
				rate, name = c.settings.perUser, "user"
			}
			verdict := s.limiters.callers.Take(who, rate, 1, s.now())
			if !verdict.Allowed {
				s.refuse(c, w, r, name, rate, verdict)

				return
			}
			if verdict.Remaining < rate.Burst/4 && !rate.Unlimited() {
				tellRate(w.Header(), name, rate, verdict)
			}
		} else {
			who.address = networkOf(c.address)
		}
		if !s.limiters.inFlight.Enter(who, c.settings.share) {
			s.measures.overloaded.Add(c, 1)
			s.fail(c, w, r, problem.New(problem.RateLimited, "too many of your requests are worked on at once"))

			return
		}
		defer s.limiters.inFlight.Leave(who)
		next(c, w, r)
	}
}

// refuse answers a request that is one too many.
func (s *Server) refuse(c *call, w http.ResponseWriter, r *http.Request, name string, rate gcra.Rate, verdict gcra.Verdict) {
	tellRate(w.Header(), name, rate, verdict)
	s.fail(c, w, r, problem.New(problem.RateLimited, "slow down").After(verdict.RetryAfter))
}

// tellRate sets the RateLimit fields in their structured form (draft-ietf-httpapi-ratelimit-headers-10): the policy's quota and window
// in seconds, what remains of the burst, and when it is whole again.
func tellRate(h http.Header, name string, rate gcra.Rate, verdict gcra.Verdict) {
	window := max(int64((rate.Per+time.Second-1)/time.Second), 1)
	h["Ratelimit-Policy"] = []string{`"` + name + `";q=` + strconv.Itoa(rate.Limit) + `;w=` + strconv.FormatInt(window, 10)}
	reset := int64((verdict.ResetAfter + time.Second - 1) / time.Second)
	h["Ratelimit"] = []string{`"` + name + `";r=` + strconv.Itoa(verdict.Remaining) + `;t=` + strconv.FormatInt(reset, 10)}
}
