package kms

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// rules are the keys' quorums as the platform asks for them.
type rules struct{ keys *keyring.Keyring }

// Subject implements quorum.Rules.
func (r rules) Subject(ctx context.Context, by *server.Principal, ask quorum.Ask) (quorum.Subject, error) {
	return r.keys.Subject(ctx, httpapi.CallerOf(by), ask)
}

// approvals are the platform's, spent by the caller of the request.
type approvals struct{ platform *quorum.Approvals }

// Spend implements keyring.Approvals.
func (a approvals) Spend(ctx context.Context, id string, subject quorum.Subject) error {
	by, ok := server.PrincipalFrom(ctx)
	if !ok {
		return problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return a.platform.Spend(ctx, by, id, subject)
}
