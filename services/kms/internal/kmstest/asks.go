package kmstest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// AsText is a request's path and body.
func AsText(t testing.TB, ask Ask) string {
	t.Helper()
	body, err := json.Marshal(ask.Body)
	require.NoError(t, err)
	return ask.Path + string(body)
}

// Retenant replaces a part of a credential and mends its checksum, as somebody who knows the format would.
func Retenant(token, from, to string) string {
	const checksumText = 6
	token = strings.Replace(token[:len(token)-checksumText], "_"+from+"_", "_"+to+"_", 1)
	sum := sha256.Sum256([]byte(token))
	return token + base64.RawURLEncoding.EncodeToString(sum[:4])
}

// Keyed are, for each cryptographic operation, the key of a holding that it is done with and what is asked. The first of each succeeds.
func (h Holding) Keyed(verb string) (key string, bodies []map[string]any) {
	switch verb {
	case "encrypt":
		return h.Secret, []map[string]any{{"plaintext": "aGVsbG8"}}
	case "decrypt":
		return h.Secret, []map[string]any{{"ciphertext": h.Ciphertext}}
	case "reencrypt":
		return h.Secret, []map[string]any{{"ciphertext": h.Ciphertext}, {"ciphertext": h.Ciphertext, "target": h.Secret, "new_context": map[string]string{"a": "b"}}}
	case "sign":
		return h.Signer, []map[string]any{{"payload": "aGVsbG8"}}
	case "verify":
		return h.Signer, []map[string]any{{"signature": h.JWS}, {"signature": h.Raw, "payload": "aGVsbG8", "input": "message", "format": "der"}}
	case "mac":
		return h.MACKey, []map[string]any{{"payload": "aGVsbG8"}}
	case "verify-mac":
		return h.MACKey, []map[string]any{{"payload": "aGVsbG8", "mac": h.MAC}, {"payload": "aGVsbG8", "mac": h.MAC, "version": 1}}
	case "generate-data-key":
		return h.Secret, []map[string]any{{}, {"bits": 128, "include_plaintext": true}, {"key_pair": "P-256"}}
	case "wrap":
		return h.Secret, []map[string]any{{"key": "aGVsbG8"}, {"jwk": map[string]any{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODw"}}}
	case "unwrap":
		return h.Secret, []map[string]any{{"wrapped": h.Wrapped}}
	case "generate":
		return h.Secret, []map[string]any{{"algorithm": "ES256"}, {"algorithm": "A256GCM/A256KW"}}
	case "derive":
		return h.DeriveKey, []map[string]any{{"length": 32}}
	case "encapsulate":
		return h.KEMKey, []map[string]any{{}}
	case "decapsulate":
		return h.KEMKey, []map[string]any{{"ciphertext": h.Encapsulated}}
	default:
		return "", []map[string]any{{"bytes": 16}}
	}
}

// PathOf is where an operation on a key is asked for; a key is nothing for those at the root.
func PathOf(key, verb string) string {
	if key == "" {
		return verb
	}
	return "elastic-keys/" + key + "/" + verb
}

// keyAsks are the requests for one operation, and batchAsks the same in a batch.
func keyAsks(verb string) func(h Holding) []Ask {
	return func(h Holding) (asks []Ask) {
		key, bodies := h.Keyed(verb)
		for _, body := range bodies {
			asks = append(asks, Ask{PathOf(key, verb), body})
		}
		return asks
	}
}

func batchAsks(verb string) func(h Holding) []Ask {
	return func(h Holding) []Ask {
		key, bodies := h.Keyed(verb)
		return []Ask{{PathOf(key, verb+"-batch"), map[string]any{"items": bodies}}}
	}
}

// Fulfilled checks the answer to what the holder of a token asks for with all scopes that the operation needs. A token is bound to nobody, so
// that it does not step up; what undoes what takes a step-up finds nothing to undo. The life of keys has tests of its own for those.
func (a Answer) Fulfilled(t testing.TB, op *contract.Operation, what string) {
	t.Helper()
	switch {
	case op.StepUp:
		a.Refused(t, http.StatusUnauthorized, "step_up_required", what)
	case op.ID == "getKeyGrant" || op.ID == "revokeKeyGrant" || op.ID == "retireKeyGrant":
		a.Refused(t, http.StatusNotFound, "not_found", what) // making one takes a step-up
	case op.ID == "retryElasticKeyGeneration" || op.ID == "cancelElasticKeyDeletion" || op.ID == "restoreMaterialKey":
		a.Refused(t, http.StatusConflict, "invalid_state", what)
	default:
		assert.Equal(t, 2, a.Status/100, "%s: %s: %s", op.ID, what, a.Body)
	}
}

// Ask is a request for an operation.
type Ask struct {
	Path string
	Body any
}

// Asks are, for each operation, requests that concern a holding. The holder gets 2xx for the first one of each.
func Asks() map[string]func(h Holding) []Ask { return asks }

var asks = map[string]func(h Holding) []Ask{
	"createElasticKey": func(Holding) []Ask {
		return []Ask{{"elastic-keys", map[string]any{"name": "made-" + strings.ToLower(rand.Text()), "algorithm": "A256GCM/A256KW"}}}
	},
	"listElasticKeys": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys"}, {Path: Query("elastic-keys", "limit", "1", "cursor", h.KeysCursor)}}
	},
	"getElasticKey":             func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret}} },
	"retryElasticKeyGeneration": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/retry-generation"}} },
	"rotateElasticKey":          func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/rotate"}} },
	"listMaterialKeys": func(h Holding) []Ask {
		path := "elastic-keys/" + h.Secret + "/material-keys"
		return []Ask{{Path: path}, {Path: Query(path, "limit", "1", "cursor", h.VersionCursor)}}
	},
	"getMaterialKey": func(h Holding) []Ask {
		path := "elastic-keys/" + h.Secret + "/material-keys/"
		return []Ask{{Path: path + h.MaterialID}, {Path: path + "1"}}
	},
	// Backups and their restoring.
	"backupElasticKey":       func(h Holding) []Ask { return []Ask{{"elastic-keys/" + h.Secret + "/backup", someRecipient()}} },
	"createBackup":           func(Holding) []Ask { return []Ask{{"backups", someRecipient()}} },
	"createRestoreRecipient": func(Holding) []Ask { return []Ask{{Path: "backups/recipients"}} },
	"restoreBackup": func(Holding) []Ask {
		return []Ask{{"backups/restore?recipient=01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", nil}}
	},
	// Ends before their time, by a quorum.
	"deleteElasticKey":   func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/delete"}} },
	"destroyMaterialKey": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/material-keys/1/destroy"}} },
	// Life of keys and versions.
	"updateElasticKey": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.once("active"), map[string]any{"description": "changed"}}}
	},
	"enableElasticKey":  func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.once("disabled") + "/enable"}} },
	"disableElasticKey": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.once("active") + "/disable"}} },
	"scheduleElasticKeyDeletion": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.once("active") + "/schedule-deletion", map[string]any{}}}
	},
	"cancelElasticKeyDeletion": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.once("active") + "/cancel-deletion"}} },
	"createMaterialKey":        func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/material-keys"}} },
	"enableMaterialKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.once("version disabled") + "/material-keys/1/enable"}}
	},
	"disableMaterialKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.once("active") + "/material-keys/1/disable"}}
	},
	"setPrimaryMaterialKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.Secret + "/material-keys/1/set-primary"}}
	},
	"compromiseMaterialKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.once("active") + "/material-keys/1/mark-compromised"}}
	},
	"scheduleMaterialKeyDestruction": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.once("active") + "/material-keys/1/schedule-destruction", map[string]any{}}}
	},
	"restoreMaterialKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.once("active") + "/material-keys/1/restore"}}
	},
	"listAllMaterialKeys": func(Holding) []Ask { return []Ask{{Path: "material-keys"}} },
	"createAlias": func(h Holding) []Ask {
		return []Ask{{"aliases", map[string]any{"name": "made-" + strings.ToLower(rand.Text()), "key": h.Secret}}}
	},
	"listAliases": func(h Holding) []Ask { return []Ask{{Path: "aliases"}, {Path: "aliases?key=" + h.Secret}} },
	"getAlias":    func(h Holding) []Ask { return []Ask{{Path: "aliases/" + h.Alias}} },
	"updateAlias": func(h Holding) []Ask { return []Ask{{"aliases/" + h.once("alias"), map[string]any{"key": h.Secret}}} },
	"deleteAlias": func(h Holding) []Ask { return []Ask{{Path: "aliases/" + h.once("alias")}} },

	"getPublicKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.Signer + "/public-key"}, {Path: "elastic-keys/" + h.Signer + "/public-key?version=1"}}
	},
	"exportElasticKey": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.Signer + "/export", map[string]any{"recipient": h.PublicKey}}}
	},
	"attestKey": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.Signer + "/attestation"}, {Path: "elastic-keys/" + h.Secret + "/attestation?version=1"}}
	},
	"getAttestationKeys": func(Holding) []Ask { return []Ask{{Path: "attestation-keys"}} },
	// Grants on single keys.
	"createKeyGrant": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.Secret + "/grants", KeyGrant("client", "01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", "encrypt")}}
	},
	"listKeyGrants":  func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/grants"}} },
	"getKeyGrant":    func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/grants/" + h.GrantID}} },
	"revokeKeyGrant": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Secret + "/grants/" + h.GrantID}} },
	"retireKeyGrant": func(h Holding) []Ask {
		return []Ask{{Path: "elastic-keys/" + h.Secret + "/grants/" + h.GrantID + "/retire"}}
	},
	"createImportJob": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.Imported + "/import-jobs", map[string]any{"wrapping": "ECDH-ES+A256KW"}}}
	},
	"listImportJobs": func(h Holding) []Ask {
		path := "elastic-keys/" + h.Imported + "/import-jobs"
		return []Ask{{Path: path}, {Path: Query(path, "limit", "1", "cursor", h.JobCursor)}}
	},
	"getImportJob": func(h Holding) []Ask { return []Ask{{Path: "elastic-keys/" + h.Imported + "/import-jobs/" + h.JobID}} },
	"importKey": func(h Holding) []Ask {
		return []Ask{{"elastic-keys/" + h.Imported + "/import", map[string]any{"public_key": h.PublicKey}}}
	},
	"getKeySet":            func(Holding) []Ask { return []Ask{{Path: "jwks"}} },
	"reportAlgorithms":     func(Holding) []Ask { return []Ask{{Path: "reports/algorithms"}} },
	"encrypt":              keyAsks("encrypt"),
	"encryptBatch":         batchAsks("encrypt"),
	"decrypt":              keyAsks("decrypt"),
	"decryptBatch":         batchAsks("decrypt"),
	"reencrypt":            keyAsks("reencrypt"),
	"reencryptBatch":       batchAsks("reencrypt"),
	"sign":                 keyAsks("sign"),
	"signBatch":            batchAsks("sign"),
	"verify":               keyAsks("verify"),
	"verifyBatch":          batchAsks("verify"),
	"mac":                  keyAsks("mac"),
	"macBatch":             batchAsks("mac"),
	"verifyMac":            keyAsks("verify-mac"),
	"verifyMacBatch":       batchAsks("verify-mac"),
	"generateDataKey":      keyAsks("generate-data-key"),
	"generateDataKeyBatch": batchAsks("generate-data-key"),
	"wrap":                 keyAsks("wrap"),
	"wrapBatch":            batchAsks("wrap"),
	"unwrap":               keyAsks("unwrap"),
	"unwrapBatch":          batchAsks("unwrap"),
	"generate":             keyAsks("generate"),
	"generateBatch":        batchAsks("generate"),
	"derive":               keyAsks("derive"),
	"deriveBatch":          batchAsks("derive"),
	"encapsulate":          keyAsks("encapsulate"),
	"encapsulateBatch":     batchAsks("encapsulate"),
	"decapsulate":          keyAsks("decapsulate"),
	"decapsulateBatch":     batchAsks("decapsulate"),
	"generateRandom":       keyAsks("generate-random"),
	"generateRandomBatch":  batchAsks("generate-random"),
}

// described reads the document once.
var described = sync.OnceValues(func() (*contract.Contract, error) { //nolint:gochecknoglobals // read once for all tests
	return contract.Load(kms.Service().Document)
})

// Operations are all that the document describes.
func Operations(t testing.TB) []*contract.Operation {
	t.Helper()
	c, err := described()
	require.NoError(t, err)
	return c.Operations()
}

// someRecipient is a body that names somebody who can open a backup.
func someRecipient() map[string]any {
	return map[string]any{"recipients": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	}}}
}
