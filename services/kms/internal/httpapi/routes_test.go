package httpapi_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
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
	handler, err := httpapi.New(&keyring.Keyring{}, &page.Cursors{}, func(context.Context, string, audit.Object) error { return nil },
		func(context.Context, []server.Use) error { return nil })
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

// domain says what each operation of the document is to the choke point; nothing for what concerns the caller alone.
var domain = map[string]keyring.Operation{
	"createElasticKey": keyring.OpCreate,
	"listElasticKeys":  keyring.OpRead,
	"getElasticKey":    keyring.OpRead,
	"rotateElasticKey": keyring.OpRotate,

	"retryElasticKeyGeneration": keyring.OpRotate,

	// Life of keys and versions.
	"updateElasticKey":               keyring.OpUpdate,
	"enableElasticKey":               keyring.OpState,
	"disableElasticKey":              keyring.OpState,
	"scheduleElasticKeyDeletion":     keyring.OpDestroy,
	"cancelElasticKeyDeletion":       keyring.OpDestroy,
	"createMaterialKey":              keyring.OpRotate,
	"listAllMaterialKeys":            keyring.OpRead,
	"enableMaterialKey":              keyring.OpState,
	"disableMaterialKey":             keyring.OpState,
	"setPrimaryMaterialKey":          keyring.OpRotate,
	"compromiseMaterialKey":          keyring.OpState,
	"deleteElasticKey":               keyring.OpDestroy,
	"destroyMaterialKey":             keyring.OpDestroy,
	"scheduleMaterialKeyDestruction": keyring.OpDestroy,
	"restoreMaterialKey":             keyring.OpDestroy,
	"createAlias":                    keyring.OpUpdate,
	"listAliases":                    keyring.OpRead,
	"getAlias":                       keyring.OpRead,
	"updateAlias":                    keyring.OpUpdate,
	"deleteAlias":                    keyring.OpUpdate,

	"listMaterialKeys":       keyring.OpRead,
	"getMaterialKey":         keyring.OpRead,
	"getPublicKey":           keyring.OpRead,
	"getKeySet":              keyring.OpRead,
	"reportAlgorithms":       keyring.OpRead,
	"exportElasticKey":       keyring.OpExport,
	"attestKey":              keyring.OpRead,
	"getAttestationKeys":     keyring.OpRead,
	"backupElasticKey":       keyring.OpBackup,
	"createBackup":           keyring.OpBackup,
	"createRestoreRecipient": keyring.OpRestore,
	"restoreBackup":          keyring.OpRestore,
	"createKeyGrant":         keyring.OpGrant,
	"listKeyGrants":          keyring.OpRead,
	"getKeyGrant":            keyring.OpRead,
	"revokeKeyGrant":         keyring.OpGrant,
	"retireKeyGrant":         "",
	"createImportJob":        keyring.OpImport,
	"listImportJobs":         keyring.OpRead,
	"getImportJob":           keyring.OpRead,
	"importKey":              keyring.OpImport,
	"encrypt":                keyring.OpEncrypt,
	"decrypt":                keyring.OpDecrypt,
	"sign":                   keyring.OpSign,
	"verify":                 keyring.OpVerify,
	"getSelf":                "",
	"reencrypt":              keyring.OpReencrypt,
	"mac":                    keyring.OpMAC,
	"verifyMac":              keyring.OpVerifyMAC,
	"generateDataKey":        keyring.OpGenerateDataKey,
	"wrap":                   keyring.OpWrap,
	"unwrap":                 keyring.OpUnwrap,
	"generate":               keyring.OpGenerate,
	"derive":                 keyring.OpDerive,
	"encapsulate":            keyring.OpEncapsulate,
	"decapsulate":            keyring.OpDecapsulate,
	"generateRandom":         keyring.OpGenerateRandom,
}

// The scopes are stated twice, for the edge and for the choke point. They must not part.
func TestDocument_AsksForTheScopesOfTheChokePoint(t *testing.T) {
	t.Parallel()
	for _, op := range described(t) {
		known, listed := domain[strings.TrimSuffix(op.ID, "Batch")]
		if !assert.True(t, listed, "%s is new: say what it is to the choke point", op.ID) {
			continue
		}
		var want [][]string
		if known != "" {
			require.NotEmpty(t, known.Scope(), op.ID)
			want = [][]string{{known.Scope()}, {keyring.ScopeAdmin}}
		}
		assert.Equal(t, want, op.Scopes, op.ID)
		assert.False(t, op.Anonymous, op.ID)
	}
}

// What changes nothing is stateless, and what changes something honours an Idempotency-Key.
func TestDocument_MarksWhatChangesState(t *testing.T) {
	t.Parallel()
	changing := []keyring.Operation{
		keyring.OpCreate, keyring.OpUpdate, keyring.OpRotate, keyring.OpState, keyring.OpDestroy, keyring.OpImport, keyring.OpGrant,
	}
	for _, op := range described(t) {
		changes := slices.Contains(changing, domain[op.ID]) || op.ID == "createRestoreRecipient" || op.ID == "retireKeyGrant"
		assert.Equal(t, op.Method == http.MethodPost && changes, op.Idempotent, op.ID)
	}
}

// Everything that uses a key can be asked for many times in one request, at the price of one decision for each version.
func TestDocument_HasABatchOfEveryOperation(t *testing.T) {
	t.Parallel()
	ids := map[string]*contract.Operation{}
	for _, op := range described(t) {
		ids[op.ID] = op
	}
	for id, known := range domain {
		single, there := ids[id]
		manages := slices.Contains([]keyring.Operation{"", keyring.OpRead, keyring.OpExport, keyring.OpBackup, keyring.OpRestore}, known)
		if manages || !there || single.Idempotent || single.Method != http.MethodPost {
			continue
		}
		many := ids[id+"Batch"]
		if assert.NotNil(t, many, id) {
			assert.True(t, many.Batch, id)
			assert.Equal(t, single.Path+"-batch", many.Path)
			assert.Equal(t, single.Scopes, many.Scopes, id)
			assert.Equal(t, single.Hot, many.Hot, id)
			assert.Equal(t, int64(8<<20), many.MaxBody, id)
		}
	}
}
