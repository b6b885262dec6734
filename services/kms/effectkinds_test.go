package kms_test

import (
	"fmt"
	"net/http"
	"testing"
)

func (p pair) revokedSession(t *testing.T) effect {
	t.Helper()
	_, token := p.token(t, "kms:read")
	got := p.root.call(t, token, http.MethodPost, "sessions", map[string]any{}).done(t, http.StatusCreated)
	return effect{
		after: http.StatusUnauthorized, use: p.reads(t, got.member(t, "session_token")),
		do: func() { p.remove(t, "sessions/"+got.member(t, "session_id")) },
	}
}

// client is a new client with its secret.
func (p pair) client(t *testing.T) (id, secret string) {
	t.Helper()
	got := p.made(t, "clients", map[string]any{"name": fmt.Sprintf("client-%d", p.serial.Add(1)), "scopes": []string{"kms:read"}})
	return got.member(t, "id"), got.member(t, "secret")
}

// asClient reads a key on the other replica with client credentials.
func (p pair) asClient(t *testing.T, id, secret string) func() answer {
	t.Helper()
	return func() answer {
		request := p.other.request(t, "", http.MethodGet, "elastic-keys/"+p.key, nil)
		request.SetBasicAuth(id, secret)
		return p.other.send(t, request)
	}
}

func (p pair) disabledClient(t *testing.T) effect {
	t.Helper()
	id, secret := p.client(t)
	return effect{
		after: http.StatusUnauthorized, use: p.asClient(t, id, secret),
		do: func() { p.patch(t, "clients/"+id, map[string]any{"disabled": true}) },
	}
}

func (p pair) rotatedSecret(t *testing.T) effect {
	t.Helper()
	id, secret := p.client(t)
	return effect{after: http.StatusUnauthorized, use: p.asClient(t, id, secret), do: func() {
		p.root.ask(t, http.MethodPost, "clients/"+id+"/rotate-secret", map[string]any{"overlap_seconds": 0}).done(t, http.StatusCreated)
	}}
}

func (p pair) disabledToken(t *testing.T) effect {
	t.Helper()
	id, token := p.token(t, "kms:read")
	return effect{
		after: http.StatusUnauthorized, use: p.reads(t, token),
		do: func() { p.patch(t, "api-tokens/"+id, map[string]any{"disabled": true}) },
	}
}

func (p pair) deletedToken(t *testing.T) effect {
	t.Helper()
	id, token := p.token(t, "kms:read")
	return effect{after: http.StatusUnauthorized, use: p.reads(t, token), do: func() { p.remove(t, "api-tokens/"+id) }}
}

// role is a token that may read by a role alone.
func (p pair) role(t *testing.T) (token, role, binding string) {
	t.Helper()
	id, token := p.token(t)
	role = p.made(t, "roles", map[string]any{"name": fmt.Sprintf("role-%d", p.serial.Add(1)), "scopes": []string{"kms:read"}}).member(t, "id")
	return token, role, p.made(t, "role-bindings", map[string]any{"role": role, "subject_kind": "api_token", "subject_id": id}).member(t, "id")
}

func (p pair) changedRole(t *testing.T) effect {
	t.Helper()
	token, role, _ := p.role(t)
	return effect{after: http.StatusForbidden, use: p.reads(t, token), do: func() {
		p.patch(t, "roles/"+role, map[string]any{"scopes": []string{"kms:verify"}})
	}}
}

func (p pair) deletedBinding(t *testing.T) effect {
	t.Helper()
	token, _, binding := p.role(t)
	return effect{after: http.StatusForbidden, use: p.reads(t, token), do: func() { p.remove(t, "role-bindings/"+binding) }}
}

func (p pair) deletedGrant(t *testing.T) effect {
	t.Helper()
	id, token := p.token(t)
	grant := p.made(t, "grants", map[string]any{
		"subject_kind": "api_token", "subject_id": id, "resource_kind": "elastic-key", "resource": p.key, "scopes": []string{"kms:read"},
	}).member(t, "id")
	return effect{after: http.StatusForbidden, use: p.reads(t, token), do: func() { p.remove(t, "grants/"+grant) }}
}

func (p pair) suspendedTenant(t *testing.T) effect {
	t.Helper()
	if p.root.ask(t, http.MethodGet, "tenants/acme", nil).done(t, http.StatusOK).member(t, "status") != "active" {
		p.root.ask(t, http.MethodPost, "tenants/acme/resume", nil).done(t, http.StatusOK)
	}
	return effect{
		after: http.StatusForbidden, use: func() answer { return p.other.call(t, p.acme, http.MethodGet, "self", nil) },
		do: func() { p.root.ask(t, http.MethodPost, "tenants/acme/suspend", nil).done(t, http.StatusOK) },
	}
}
