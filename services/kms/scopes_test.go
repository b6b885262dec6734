package kms_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
)

// everyScope are the scopes that the document names, and some that mean nothing to this service.
func everyScope(t testing.TB) []string {
	t.Helper()
	scopes := []string{"kms:anything", "jose:admin", "kms:admins"}
	for _, op := range operations(t) {
		for _, all := range op.Scopes {
			scopes = append(scopes, all...)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func TestScopes_EachAllowsWhatTheDocumentSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t)).renewing(t, s)
		tokens := map[string]string{"": s.token(t, "default", "without", []string{}...)}
		for _, scope := range everyScope(t) {
			tokens[scope] = s.token(t, "default", strings.ReplaceAll(scope, ":", "-"), scope)
		}
		for _, op := range operations(t) {
			for scope, token := range tokens {
				for _, ask := range asks[op.ID](h) {
					got := s.call(t, token, op.Method, ask.path, ask.body)
					if op.Permits([]string{scope}) {
						got.fulfilled(t, op, "with "+scope)
						continue
					}
					got.refused(t, http.StatusForbidden, "insufficient_scope", op.ID+" with "+scope)
					assert.Contains(t, got.header.Get("WWW-Authenticate"), `error="insufficient_scope"`, op.ID)
				}
			}
		}
	})
}

// Who lacks the scope does not learn whether the rest of the request was right, or what exists.
func TestScopes_AreDecidedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		token := s.token(t, "default", "without")
		for _, op := range operations(t) {
			if len(op.Scopes) == 0 {
				continue
			}
			first := s.call(t, token, op.Method, asks[op.ID](h)[0].path, nil).essence(t)
			for _, ask := range asks[op.ID](nobody(h)) {
				for _, got := range []answer{
					s.call(t, token, op.Method, ask.path, ask.body),
					s.call(t, token, op.Method, ask.path+"?limit=x&unknown=1", nil),
					s.call(t, token, op.Method, strings.Split(ask.path, "?")[0], "{", "Content-Type", "text/plain", "Idempotency-Key", "k"),
				} {
					assert.Equal(t, first, got.essence(t), op.ID)
				}
			}
		}
	})
}

func TestScopes_OfAClientAreThoseOfItsEntry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		secret := s.enroll(t, auth.NewEntry{
			Kind: credential.ClientSecret, Tenant: "default", ID: "payroll", Name: "Payroll", Scopes: []string{"kms:encrypt"},
		})
		as := func(user, password, method, path string, body any) answer {
			request := s.request(t, "", method, path, body)
			request.SetBasicAuth(user, password)
			return s.send(t, request)
		}
		self := as("payroll", secret, http.MethodGet, "self", nil)
		said := self.object(t)
		delete(said, "authenticated_at")
		assert.Equal(t, map[string]any{
			"tenant": "default", "realm": "file", "kind": "client", "id": "payroll", "name": "Payroll", "scopes": []any{"kms:encrypt"}, "roles": []any{},
			"methods": []any{"token"}, "confirmed": false,
		}, said)
		encrypted := as("payroll", secret, http.MethodPost, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		require.Equal(t, http.StatusOK, encrypted.status, "%s", encrypted.body)
		as("payroll", secret, http.MethodPost, "elastic-keys/"+h.secret+"/decrypt", json.RawMessage(encrypted.body)).
			refused(t, http.StatusForbidden, "insufficient_scope", "decrypt")
		for what, got := range map[string]answer{
			"another client's name":  as("payrolls", secret, http.MethodGet, "self", nil),
			"no name":                as("", secret, http.MethodGet, "self", nil),
			"an API token as secret": as("operator", h.token, http.MethodGet, "self", nil),
			"a secret as API token":  s.call(t, secret, http.MethodGet, "self", nil),
			"two credentials":        s.call(t, h.token+", Bearer "+h.token, http.MethodGet, "self", nil),
			"a damaged secret":       as("payroll", secret[:len(secret)-1]+"_", http.MethodGet, "self", nil),
			"a secret and a space":   as("payroll", secret+" ", http.MethodGet, "self", nil),
		} {
			got.refused(t, http.StatusUnauthorized, "unauthenticated", what)
			assert.Len(t, got.header.Values("WWW-Authenticate"), 2, what)
		}
	})
}
