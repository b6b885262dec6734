package httpapi_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/httpapi"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// described are the operations of the API document.
func described(t *testing.T) []*contract.Operation {
	t.Helper()
	document, err := os.ReadFile("../../api/openapi.yaml")
	require.NoError(t, err)
	c, err := contract.Load(document)
	require.NoError(t, err)
	return c.Operations()
}

func TestMount_ServesWhatTheDocumentDescribes(t *testing.T) {
	t.Parallel()
	handler, err := httpapi.New(&authority.Authority{}, &page.Cursors{}, func(context.Context, string, audit.Object) error { return nil })
	require.NoError(t, err)
	mux := chi.NewMux()
	handler.Mount(mux, server.ErrorHandlers{})
	var served, documented []string
	require.NoError(t, chi.Walk(mux, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+path)
		return nil
	}))
	for _, op := range described(t) {
		documented = append(documented, op.Method+" "+op.Path)
	}
	assert.ElementsMatch(t, documented, served)
}

// domain says what each operation of the document is to the choke point; nothing for what concerns no key of ours.
var domain = map[string]authority.Operation{
	"createKey":         authority.OpCreate,
	"importKey":         authority.OpImport,
	"adoptKMSKey":       authority.OpImport,
	"listKeys":          authority.OpRead,
	"getKey":            authority.OpRead,
	"updateKey":         authority.OpUpdate,
	"getPublicKey":      authority.OpRead,
	"rotateKey":         authority.OpRotate,
	"createCSR":         authority.OpCertify,
	"getCertificate":    authority.OpRead,
	"setCertificate":    authority.OpCertify,
	"removeCertificate": authority.OpUncertify,
	"enableKey":         authority.OpState,
	"disableKey":        authority.OpState,
	"destroyKey":        authority.OpDestroy,
	"listKeyVersions":   authority.OpRead,
	"getKeyVersion":     authority.OpRead,
	"destroyKeyVersion": authority.OpDestroy,
	"getKeySet":         authority.OpRead,
	"signJWS":           authority.OpSign,
	"verifyJWS":         authority.OpVerify,
	"encryptJWE":        authority.OpEncrypt,
	"decryptJWE":        authority.OpDecrypt,
	"issueJWT":          authority.OpIssue,
	"verifyJWT":         authority.OpVerify,
	"createProfile":     authority.OpProfile,
	"listProfiles":      authority.OpRead,
	"getProfile":        authority.OpRead,
	"updateProfile":     authority.OpProfile,
	"deleteProfile":     authority.OpProfile,
	"revokeToken":       authority.OpRevoke,
	"exportKey":         authority.OpExport,
	"exportKeys":        authority.OpExport,
	"issueSDJWT":        authority.OpIssue,
	"presentSDJWT":      authority.OpSign,
	"verifySDJWT":       authority.OpVerify,
	"thumbprint":        "",
}

// The scopes are stated twice, for the edge and for the choke point. They must not part.
func TestDocument_AsksForTheScopesOfTheChokePoint(t *testing.T) {
	t.Parallel()
	for _, op := range described(t) {
		known, listed := domain[op.ID]
		if !assert.True(t, listed, "%s is new: say what it is to the choke point", op.ID) {
			continue
		}
		var want [][]string
		if known != "" {
			require.NotEmpty(t, known.Scope(), op.ID)
			want = [][]string{{known.Scope()}, {authority.ScopeAdmin}}
		}
		assert.Equal(t, want, op.Scopes, op.ID)
		assert.False(t, op.Anonymous, op.ID)
	}
}
