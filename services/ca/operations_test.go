package ca_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca"
)

type object = map[string]any

// operations are those of the API document.
func operations(t testing.TB) []*contract.Operation {
	t.Helper()
	document, err := os.ReadFile("api/openapi.yaml")
	require.NoError(t, err)
	c, err := contract.Load(document)
	require.NoError(t, err)
	return c.Operations()
}

// holding is what a tenant has.
type holding struct{ ca, name, serial, key string }

// bodies are what operations are asked with.
func bodies(t testing.TB, h holding) map[string]any {
	t.Helper()
	request := csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"x.internal"}})
	return map[string]any{
		"createCA": object{"name": "x", "kind": "issuing", "issuer": h.ca, "subject": object{"common_name": "x"}}, "importCA": object{"name": "x", "kind": "root", "chain": "x"},
		"updateCA": object{"description": "x"}, "installCACertificate": object{"chain": encode(newOutside(t).certificate.Raw)}, "certifyCA": object{"csr": request},
		"crossSignCA": object{"subject": h.ca}, "rolloverCA": object{"name": "x"}, "issueCertificate": object{"profile": "internal-tls", "ca": h.ca, "csr": request},
		"renewCertificate": object{}, "revokeCertificate": object{"reason": "superseded"}, "revokeCertificates": object{"reason": "superseded", "lineage": h.serial},
		"createExternalKey": object{},
	}
}

// pathOf fills the path of an operation with what somebody has.
func (h holding) pathOf(op *contract.Operation) string {
	path := strings.TrimPrefix(op.Path, "/")
	id := h.ca
	if strings.HasPrefix(path, "acme/") {
		id = h.key
	}
	return strings.NewReplacer("{id}", id, "{serial}", h.serial, "{name}", "internal-tls").Replace(path)
}

// enrolling runs a service with ACME on every engine.
func enrolling(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			cfg.ACME = ca.ACMEConfig{Resolver: "127.0.0.1:1"}
			test(t, run(t, cfg, files))
		})
	}
}

// held makes one of everything in the default tenant.
func (s *service) held(t testing.TB) holding {
	t.Helper()
	token := s.Token(t, "default", "admin", "ca:admin")
	_, issuing := s.hierarchy(t)
	made := s.issue(t, token, "secret-name.internal")
	key := s.post(t, token, "acme/external-keys", object{"label": "secret label"})
	return holding{ca: issuing.Member(t, "id"), name: "issuing", serial: made.Member(t, "serial"), key: key.Member(t, "id")}
}

// Whatever another tenant asks for is not there, and nothing of it shows.
func TestTenants_SeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	enrolling(t, func(t *testing.T, s *service) {
		mine := s.held(t)
		s.Tenant(t, "other")
		token := s.Token(t, "other", "admin", "ca:admin")
		marks := []string{mine.ca, mine.serial, mine.key, "secret-name", "secret label", "Test issuing CA", "Test root"}
		asked := bodies(t, mine)
		for _, op := range operations(t) {
			path := mine.pathOf(op)
			var header []string
			if op.ID == "updateCA" {
				header = []string{"If-Match", `"1"`, "Content-Type", "application/merge-patch+json"}
			}
			got := s.call(t, token, op.Method, path, asked[op.ID], header...)
			got.Traceless(t, marks, path, op.ID)
			switch {
			case op.StepUp:
				assert.Equal(t, http.StatusUnauthorized, got.Status, "%s: %s", op.ID, got.Body)
			case strings.Contains(op.Path, "{id}"), strings.Contains(op.Path, "{serial}"):
				got.refused(t, http.StatusNotFound, "not_found", op.ID)
			case op.ID == "issueCertificate":
				got.refused(t, http.StatusNotFound, "not_found", op.ID)
			case op.ID == "revokeCertificates":
				assert.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
				assert.JSONEq(t, `{"serials":[],"more":false}`, string(got.Body))
			}
		}
		status, body := s.fetch(t, "/t/other/pki/"+mine.ca+"/ca.cer")
		assert.Equal(t, http.StatusNotFound, status, "%s", body)
		still := s.get(t, s.Token(t, "default", "later", "ca:read"), "certificates/"+mine.serial+"/status")
		assert.Equal(t, "issued", still.Member(t, "state"))
	})
}

// Each operation needs one of the scopes that the document says, and no other will do.
func TestScopes_OfEveryOperation(t *testing.T) {
	t.Parallel()
	enrolling(t, func(t *testing.T, s *service) {
		mine := s.held(t)
		every := ca.Service().Scopes
		asked := bodies(t, mine)
		for _, op := range operations(t) {
			var may []string
			for _, alternative := range op.Scopes {
				may = append(may, alternative...)
			}
			var others []string
			for _, scope := range every {
				if !slices.Contains(may, scope) {
					others = append(others, scope)
				}
			}
			require.NotEmpty(t, may, op.ID)
			token := s.Token(t, "default", "no-"+strings.ToLower(op.ID), others...)
			got := s.call(t, token, op.Method, mine.pathOf(op), asked[op.ID], "If-Match", `"1"`)
			got.refused(t, http.StatusForbidden, "insufficient_scope", op.ID)
		}
	})
}
