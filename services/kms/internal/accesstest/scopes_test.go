package accesstest_test

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// everyScope are the scopes that the document names, and some that mean nothing to this service.
func everyScope(t testing.TB) []string {
	t.Helper()
	scopes := []string{"kms:anything", "jose:admin", "kms:admins"}
	for _, op := range kmstest.Operations(t) {
		for _, all := range op.Scopes {
			scopes = append(scopes, all...)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func TestScopes_EachAllowsWhatTheDocumentSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t)).Renewing(t, s)
		tokens := map[string]string{"": s.Token(t, "default", "without", []string{}...)}
		for _, scope := range everyScope(t) {
			tokens[scope] = s.Token(t, "default", strings.ReplaceAll(scope, ":", "-"), scope)
		}
		for _, op := range kmstest.Operations(t) {
			for scope, token := range tokens {
				for _, ask := range kmstest.Asks()[op.ID](h) {
					got := s.Call(t, token, op.Method, ask.Path, ask.Body)
					if op.Permits([]string{scope}) {
						got.Fulfilled(t, op, "with "+scope)
						continue
					}
					got.Refused(t, http.StatusForbidden, "insufficient_scope", op.ID+" with "+scope)
					assert.Contains(t, got.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`, op.ID)
				}
			}
		}
	})
}

// Who lacks the scope does not learn whether the rest of the request was right, or what exists.
func TestScopes_AreDecidedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		token := s.Token(t, "default", "without")
		for _, op := range kmstest.Operations(t) {
			if len(op.Scopes) == 0 {
				continue
			}
			first := s.Call(t, token, op.Method, kmstest.Asks()[op.ID](h)[0].Path, nil).Essence(t)
			for _, ask := range kmstest.Asks()[op.ID](nobody(h)) {
				for _, got := range []kmstest.Answer{
					s.Call(t, token, op.Method, ask.Path, ask.Body),
					s.Call(t, token, op.Method, ask.Path+"?limit=x&unknown=1", nil),
					s.Call(t, token, op.Method, strings.Split(ask.Path, "?")[0], "{", "Content-Type", "text/plain", "Idempotency-Key", "k"),
				} {
					assert.Equal(t, first, got.Essence(t), op.ID)
				}
			}
		}
	})
}

func TestScopes_OfAClientAreThoseOfItsEntry(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		secret := s.Enroll(t, auth.NewEntry{
			Kind: credential.ClientSecret, Tenant: "default", ID: "payroll", Name: "Payroll", Scopes: []string{"kms:encrypt"},
		})
		as := func(user, password, method, path string, body any) kmstest.Answer {
			request := s.Request(t, "", method, path, body)
			request.SetBasicAuth(user, password)
			return s.Send(t, request)
		}
		self := as("payroll", secret, http.MethodGet, "self", nil)
		said := self.Object(t)
		delete(said, "authenticated_at")
		assert.Equal(t, map[string]any{
			"tenant": "default", "realm": "file", "kind": "client", "id": "payroll", "name": "Payroll", "scopes": []any{"kms:encrypt"}, "roles": []any{},
			"methods": []any{"token"}, "confirmed": false,
		}, said)
		encrypted := as("payroll", secret, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		require.Equal(t, http.StatusOK, encrypted.Status, "%s", encrypted.Body)
		as("payroll", secret, http.MethodPost, "elastic-keys/"+h.Secret+"/decrypt", json.RawMessage(encrypted.Body)).
			Refused(t, http.StatusForbidden, "insufficient_scope", "decrypt")
		for what, got := range map[string]kmstest.Answer{
			"another client's name":  as("payrolls", secret, http.MethodGet, "self", nil),
			"no name":                as("", secret, http.MethodGet, "self", nil),
			"an API token as secret": as("operator", h.Token, http.MethodGet, "self", nil),
			"a secret as API token":  s.Call(t, secret, http.MethodGet, "self", nil),
			"two credentials":        s.Call(t, h.Token+", Bearer "+h.Token, http.MethodGet, "self", nil),
			"a damaged secret":       as("payroll", secret[:len(secret)-1]+"_", http.MethodGet, "self", nil),
			"a secret and a space":   as("payroll", secret+" ", http.MethodGet, "self", nil),
		} {
			got.Refused(t, http.StatusUnauthorized, "unauthenticated", what)
			assert.Len(t, got.Header.Values("WWW-Authenticate"), 2, what)
		}
	})
}
