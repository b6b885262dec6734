package admin_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// kept is a trail that keeps events in memory, or fails.
type kept struct {
	events []audit.Event
	err    error
}

func (k *kept) Record(_ context.Context, e audit.Event) error {
	k.events = append(k.events, e)
	return k.err
}

func TestRecorder_AnEventThatNamesNobodyIsTheCallers(t *testing.T) {
	t.Parallel()
	caller := &server.Principal{Tenant: "acme", Kind: server.KindUser, ID: "root"}
	other := &server.Principal{Tenant: "other", Kind: server.KindClient, ID: "c1"}
	for _, c := range []struct {
		caller *server.Principal
		by     *server.Principal
		tenant string
		actor  audit.Actor
	}{
		{nil, nil, "", audit.Actor{}},
		{nil, &server.Principal{}, "", audit.Actor{}},
		{caller, nil, "acme", audit.Actor{Kind: "user", ID: "root"}},
		{caller, &server.Principal{}, "acme", audit.Actor{Kind: "user", ID: "root"}},
		{caller, other, "other", audit.Actor{Kind: "client", ID: "c1"}},
	} {
		ctx := t.Context()
		if c.caller != nil {
			ctx = server.WithPrincipal(ctx, c.caller)
		}
		trail := &kept{}
		require.NoError(t, admin.Recorder(trail)(ctx, directory.Event{Action: "role.create", By: c.by, ObjectKind: "role", ObjectID: "r1"}))
		require.Len(t, trail.events, 1)
		got := trail.events[0]
		assert.Equal(t, []any{c.tenant, c.actor}, []any{got.Tenant, got.Actor})
		assert.Equal(t, audit.Object{Kind: "role", ID: "r1"}, got.Object)
		assert.Empty(t, got.Fields)
	}
}

func TestRecorder_FailsWithTheTrail(t *testing.T) {
	t.Parallel()
	trail := &kept{err: errors.New("the trail is away")}
	assert.ErrorIs(t, admin.Recorder(trail)(t.Context(), directory.Event{Action: "role.create"}), trail.err)
}
