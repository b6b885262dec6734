package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// Names of peers.
const (
	Identity    = "identity" // its authorization server
	IdentityIDP = "identity_idp"
	JOSE        = "jose"
	KMS         = "kms"
	CA          = "ca"
)

// Deps are what a Federation stands on.
type Deps struct {
	// Log is mandatory; Meter may be nil.
	Log   *slog.Logger
	Meter metric.Meter
	// Now is the clock; nil for the machine's.
	Now func() time.Time
	// Resolver finds the peers' addresses; nil for the machine's.
	Resolver Resolver
	// Status is asked whether the peers' certificates are revoked; nil when revocation is not looked at.
	Status tlsconfig.StatusChecker
	// Changed is told when a peer appears or goes, one change after the other; nil for nobody.
	Changed func(name string, up bool)
}

// Federation owns the peers. Make it with Open and have Run look for them.
type Federation struct {
	peers []*Peer // in the order identity, identity_idp, jose, kms, ca
}

// Open prepares the peers that a configuration names; none when federation is not enabled. It calls nobody.
func Open(c Config, deps Deps) (*Federation, error) {
	if deps.Log == nil {
		return nil, errors.New("open federation: Log is missing")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Resolver == nil {
		deps.Resolver = net.DefaultResolver
	}
	f := &Federation{}
	if !c.Enabled {
		return f, nil
	}
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open federation: %w", config.Problems(problems))
	}
	deps.Changed = oneAtATime(deps.Changed)
	for _, one := range []struct {
		name, product, url string
		config             PeerConfig
	}{
		{Identity, "identity-authz", c.Identity.AuthzURL, c.Identity.PeerConfig},
		{IdentityIDP, "identity-idp", c.Identity.IDPURL, c.Identity.PeerConfig},
		{JOSE, "jose", c.JOSE.JAURL, c.JOSE.PeerConfig},
		{KMS, "kms", c.KMS.URL, c.KMS.PeerConfig},
		{CA, "ca", c.CA.URL, c.CA.PeerConfig},
	} {
		if one.url == "" {
			continue
		}
		peer, err := open(one.name, one.product, one.url, one.config, deps)
		if err != nil {
			return nil, fmt.Errorf("open federation: peer %s: %w", one.name, err)
		}
		f.peers = append(f.peers, peer)
	}
	return f, nil
}

// oneAtATime has calls wait for each other: peers change side by side.
func oneAtATime(changed func(string, bool)) func(string, bool) {
	if changed == nil {
		return func(string, bool) {}
	}
	var mu sync.Mutex
	return func(name string, up bool) {
		mu.Lock()
		defer mu.Unlock()
		changed(name, up)
	}
}

func open(name, product, url string, c PeerConfig, deps Deps) (*Peer, error) {
	c = c.withDefaults()
	security, err := clientTLS(c, deps.Status)
	if err != nil {
		return nil, err
	}
	m, err := newMeasures(deps.Meter, name)
	if err != nil {
		return nil, err
	}
	p := &Peer{
		name: name, url: strings.TrimSuffix(url, "/"), product: product, config: c, log: deps.Log, now: deps.Now, changed: deps.Changed,
		breaker: newBreaker(deps.Now), transport: newTransport(deps.Resolver, security), measures: m, nudge: make(chan struct{}, 1),
		status: Status{Name: name, URL: url, State: StateSearching, Required: c.Required, Since: deps.Now()},
	}
	tokens := &http.Client{
		Transport:     newTransport(deps.Resolver, security.Clone()),
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	p.credential = newCredential(c.Auth, tokens, deps.Now)
	p.plain, p.retrying = newClients(&guard{peer: p, base: p.transport})
	return p, m.watch(p)
}

// Run looks for all peers until ctx ends.
func (f *Federation) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, peer := range f.peers {
		group.Go(func() { peer.search(ctx) })
	}
	group.Wait()
	for _, peer := range f.peers {
		peer.transport.CloseIdleConnections()
	}
}

// Peers are those that the configuration names.
func (f *Federation) Peers() []*Peer { return f.peers }

// Peer returns a peer by name; false when the configuration does not name it.
func (f *Federation) Peer(name string) (*Peer, bool) {
	for _, peer := range f.peers {
		if peer.name == name {
			return peer, true
		}
	}
	return nil, false
}

// Up tells whether the peer is named by the configuration and there.
func (f *Federation) Up(name string) bool {
	peer, ok := f.Peer(name)
	return ok && peer.Up()
}
