package httpapi

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// emptyObject is what an action is about that is about no key.
var emptyObject audit.Object //nolint:gochecknoglobals // constant

// tally counts the equal uses of one request.
type tally map[server.Use]int64

// add counts what an action has done.
func (t tally) add(done uses) {
	for _, use := range done {
		if use.name == "" {
			continue
		}
		counted := server.Use{Operation: use.name, Outcome: server.OutcomeAllowed}
		if use.of.ElasticKeyID != "" {
			counted.Kind, counted.ID, counted.Version = objectKey, use.of.ElasticKeyID, use.of.Version
		}
		t[counted]++
	}
}

// fail counts an action that did not succeed.
func (t tally) fail(name, id string, status int, code string) {
	counted := server.Use{Operation: name, Outcome: server.OutcomeFailed, Code: code}
	if status == http.StatusForbidden {
		counted.Outcome = server.OutcomeDenied
	}
	if id != "" {
		counted.Kind, counted.ID = objectKey, id
	}
	t[counted]++
}

// list is what was counted.
func (t tally) list() []server.Use {
	list := make([]server.Use, 0, len(t))
	for use, count := range t {
		use.Count = count
		list = append(list, use)
	}
	return list
}

// UseAll records what a request did where that is not one use by the operation's own name, before it is answered; an error is answered instead.
type UseAll func(ctx context.Context, uses []server.Use) error
