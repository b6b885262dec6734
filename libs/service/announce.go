package service

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// announcement says what this service is, to anybody, so that peers find it. It answers while the service is sealed.
func (p *Platform) announcement() server.Protocol {
	said := federation.Announcement{Product: p.description.Product, APIs: []string{federation.APIVersion}, Installation: p.installation}
	return server.Protocol{
		Method: http.MethodGet, Path: federation.WellKnown, Client: server.ClientEither, Anonymous: true, Light: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			now := said
			now.UnsealedBy = p.dependencies.names()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(now) // a client that has gone needs no answer
		}),
	}
}

// dependencies are the installations that must be unsealed before this one can be: none but in unseal mode kms.
type dependencies struct {
	remote unseal.Remote // nil without one
	known  atomic.Pointer[[]string]
}

// names are those that are known by now.
func (d *dependencies) names() []string {
	if known := d.known.Load(); known != nil {
		return *known
	}
	return nil
}

// dependencyInterval is how often they are asked for.
const dependencyInterval = time.Minute

// run asks for them until ctx ends.
func (d *dependencies) run(ctx context.Context) {
	if d.remote == nil {
		return
	}
	ticker := time.NewTicker(dependencyInterval)
	defer ticker.Stop()
	for {
		if names, err := d.remote.Dependencies(ctx); err == nil {
			d.known.Store(&names)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
