package replicatest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func revokedSession(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	_, token := p.Token(t, "kms:read")
	got := p.Root.Call(t, token, http.MethodPost, "sessions", map[string]any{}).Done(t, http.StatusCreated)
	return effect{
		after: http.StatusUnauthorized, use: reads(t, p, got.Member(t, "session_token")),
		do: func() { remove(t, p, "sessions/"+got.Member(t, "session_id")) },
	}
}

// client is a new client with its secret.
func client(t *testing.T, p kmstest.Pair) (id, secret string) {
	t.Helper()
	got := p.Made(t, "clients", map[string]any{"name": fmt.Sprintf("client-%d", p.Serial.Add(1)), "scopes": []string{"kms:read"}})
	return got.Member(t, "id"), got.Member(t, "secret")
}

// asClient reads a key on the other replica with client credentials.
func asClient(t *testing.T, p kmstest.Pair, id, secret string) func() kmstest.Answer {
	t.Helper()
	return func() kmstest.Answer {
		request := p.Other.Request(t, "", http.MethodGet, "elastic-keys/"+p.Key, nil)
		request.SetBasicAuth(id, secret)
		return p.Other.Send(t, request)
	}
}

func disabledClient(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	id, secret := client(t, p)
	return effect{
		after: http.StatusUnauthorized, use: asClient(t, p, id, secret),
		do: func() { patch(t, p, "clients/"+id, map[string]any{"disabled": true}) },
	}
}

func rotatedSecret(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	id, secret := client(t, p)
	return effect{after: http.StatusUnauthorized, use: asClient(t, p, id, secret), do: func() {
		p.Root.Ask(t, http.MethodPost, "clients/"+id+"/rotate-secret", map[string]any{"overlap_seconds": 0}).Done(t, http.StatusCreated)
	}}
}

func disabledToken(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	id, token := p.Token(t, "kms:read")
	return effect{
		after: http.StatusUnauthorized, use: reads(t, p, token),
		do: func() { patch(t, p, "api-tokens/"+id, map[string]any{"disabled": true}) },
	}
}

func deletedToken(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	id, token := p.Token(t, "kms:read")
	return effect{after: http.StatusUnauthorized, use: reads(t, p, token), do: func() { remove(t, p, "api-tokens/"+id) }}
}

// role is a token that may read by a role alone.
func role(t *testing.T, p kmstest.Pair) (token, role, binding string) {
	t.Helper()
	id, token := p.Token(t)
	role = p.Made(t, "roles", map[string]any{"name": fmt.Sprintf("role-%d", p.Serial.Add(1)), "scopes": []string{"kms:read"}}).Member(t, "id")
	return token, role, p.Made(t, "role-bindings", map[string]any{"role": role, "subject_kind": "api_token", "subject_id": id}).Member(t, "id")
}

func changedRole(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	token, role, _ := role(t, p)
	return effect{after: http.StatusForbidden, use: reads(t, p, token), do: func() {
		patch(t, p, "roles/"+role, map[string]any{"scopes": []string{"kms:verify"}})
	}}
}

func deletedBinding(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	token, _, binding := role(t, p)
	return effect{after: http.StatusForbidden, use: reads(t, p, token), do: func() { remove(t, p, "role-bindings/"+binding) }}
}

func deletedGrant(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	id, token := p.Token(t)
	grant := p.Made(t, "grants", map[string]any{
		"subject_kind": "api_token", "subject_id": id, "resource_kind": "elastic-key", "resource": p.Key, "scopes": []string{"kms:read"},
	}).Member(t, "id")
	return effect{after: http.StatusForbidden, use: reads(t, p, token), do: func() { remove(t, p, "grants/"+grant) }}
}

func suspendedTenant(t *testing.T, p kmstest.Pair) effect {
	t.Helper()
	if p.Root.Ask(t, http.MethodGet, "tenants/acme", nil).Done(t, http.StatusOK).Member(t, "status") != "active" {
		p.Root.Ask(t, http.MethodPost, "tenants/acme/resume", nil).Done(t, http.StatusOK)
	}
	return effect{
		after: http.StatusForbidden, use: func() kmstest.Answer { return p.Other.Call(t, p.Acme, http.MethodGet, "self", nil) },
		do: func() { p.Root.Ask(t, http.MethodPost, "tenants/acme/suspend", nil).Done(t, http.StatusOK) },
	}
}
