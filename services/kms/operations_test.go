package kms_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// holding is what a tenant has, and what somebody else might try to reach.
type holding struct {
	tenant, token string
	secret        string // a key that encrypts, by id or name
	signer        string // a key that signs
	secretID      string
	secretName    string
	signerID      string
	signerName    string
	macKey        string // keys for one kind of operation each
	kemKey        string
	deriveKey     string
	description   string
	imported      string // a key that verifies, whose versions are imported, by id or name
	importedID    string
	importedName  string
	jobID         string // of an import job of it
	jobToken      string
	publicKey     json.RawMessage
	materialID    string // of the first version of secret
	ciphertext    string // made by secret
	jws, raw      string // made by signer, the latter bare
	alias         string // of secret
	wrapped       string // a key, under secret
	mac           string // made by macKey
	encapsulated  string // for kemKey
	keysCursor    string // of a list of keys
	versionCursor string // of the list of the versions of secret
	jobCursor     string // of the list of the import jobs of imported
	grantID       string // of a grant on secret; of none where the holder cannot step up

	// fresh makes, where it is set, a key of two versions in a state, or an alias, for a request that works only once; see renewing.
	fresh func(what string) string
}

// newHolding makes a tenant's keys and uses each operation on them.
func newHolding(t testing.TB, s *service, tenant, token string) holding {
	t.Helper()
	h := holding{
		tenant: tenant, token: token,
		secretName: tenant + "-secret", signerName: tenant + "-signer", description: "a description of " + tenant,
	}
	h.secretID = s.post(t, token, "elastic-keys",
		map[string]any{"name": h.secretName, "algorithm": "A256GCM/A256KW", "description": h.description}).member(t, "id")
	h.signerID = s.create(t, token, h.signerName, "ES256")
	h.secret, h.signer, h.grantID = h.secretID, h.signerID, uuid.Must(uuid.NewV7()).String()
	h.macKey, h.kemKey, h.deriveKey = tenant+"-mac", tenant+"-kem", tenant+"-derive"
	s.create(t, token, h.macKey, "HS256")
	s.create(t, token, h.kemKey, "ML-KEM-768")
	s.create(t, token, h.deriveKey, "HKDF-SHA256")
	h.mac = s.post(t, token, "elastic-keys/"+h.macKey+"/mac", map[string]any{"payload": "aGVsbG8"}).member(t, "mac")
	h.encapsulated = s.post(t, token, "elastic-keys/"+h.kemKey+"/encapsulate", map[string]any{}).member(t, "ciphertext")
	h.wrapped = s.post(t, token, "elastic-keys/"+h.secret+"/wrap", map[string]any{"key": "aGVsbG8"}).member(t, "wrapped")
	h.ciphertext = s.post(t, token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
	h.jws = s.post(t, token, "elastic-keys/"+h.signer+"/sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
	h.raw = s.post(t, token, "elastic-keys/"+h.signer+"/sign",
		map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).member(t, "signature")
	h.materialID = s.get(t, token, "elastic-keys/"+h.secret+"/material-keys/1").member(t, "id")
	s.post(t, token, "elastic-keys/"+h.secret+"/rotate", nil)
	h.alias = s.post(t, token, "aliases", map[string]any{"name": tenant + "-alias", "key": h.secretID}).member(t, "name")
	h.keysCursor = s.get(t, token, "elastic-keys?limit=1").member(t, "next_cursor")
	h.versionCursor = s.get(t, token, "elastic-keys/"+h.secret+"/material-keys?limit=1").member(t, "next_cursor")
	require.NotEmpty(t, h.keysCursor)
	require.NotEmpty(t, h.versionCursor)
	return h.importInto(t, s)
}

// nobody is a holding of well-formed things that do not exist.
func nobody(like holding) holding {
	id, signerID, importedID := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	elsewhere := func(message, kid string) string {
		encoded, rest, _ := strings.Cut(message, ".")
		var header map[string]any
		text, err := base64.RawURLEncoding.DecodeString(encoded)
		if err == nil {
			err = json.Unmarshal(text, &header)
		}
		if err != nil {
			panic(err)
		}
		header["kid"] = kid
		text, _ = json.Marshal(header)
		return base64.RawURLEncoding.EncodeToString(text) + "." + rest
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(rand.Text() + rand.Text() + id))
	return holding{
		tenant: "nobody", secret: id, signer: signerID, secretID: id, signerID: signerID,
		secretName: "nobodys-secret", signerName: "nobodys-signer", alias: "nobodys-alias",
		grantID: uuid.Must(uuid.NewV7()).String(),
		macKey:  "nobodys-mac", kemKey: "nobodys-kem", deriveKey: "nobodys-derive",
		wrapped: elsewhere(like.wrapped, id+".1"), mac: like.mac, encapsulated: like.encapsulated,
		materialID: uuid.Must(uuid.NewV7()).String(),
		imported:   importedID, importedID: importedID, importedName: "nobodys-imported", jobID: uuid.Must(uuid.NewV7()).String(), jobCursor: cursor,
		publicKey:  like.publicKey,
		ciphertext: elsewhere(like.ciphertext, id+".1"),
		jws:        elsewhere(like.jws, signerID+".1"),
		raw:        base64.RawURLEncoding.EncodeToString([]byte(rand.Text() + rand.Text() + rand.Text())),
		keysCursor: cursor, versionCursor: cursor,
	}
}

// byName is the holding with its keys called by name.
func (h holding) byName() holding {
	h.secret, h.signer, h.imported = h.secretName, h.signerName, h.importedName
	return h
}

// upperCase is the holding with its keys called by their ids in the other spelling of UUIDs.
func (h holding) upperCase() holding {
	h.secret, h.signer, h.materialID = strings.ToUpper(h.secretID), strings.ToUpper(h.signerID), strings.ToUpper(h.materialID)
	h.imported, h.jobID = strings.ToUpper(h.importedID), strings.ToUpper(h.jobID)
	return h
}

// with is the holding with all that is inside requests, not in their paths, taken from another one.
func (h holding) with(other holding) holding {
	h.materialID, h.ciphertext, h.jws, h.raw = other.materialID, other.ciphertext, other.jws, other.raw
	h.wrapped, h.mac, h.encapsulated = other.wrapped, other.mac, other.encapsulated
	h.keysCursor, h.versionCursor = other.keysCursor, other.versionCursor
	h.jobID, h.jobCursor, h.grantID = other.jobID, other.jobCursor, other.grantID
	return h
}

// renewing is the holding with new keys and aliases for requests that work only once.
func (h holding) renewing(t testing.TB, s *service) holding {
	t.Helper()
	h.fresh = func(what string) string {
		name := "fresh-" + strings.ToLower(rand.Text())
		if what == "alias" {
			return s.post(t, h.token, "aliases", map[string]any{"name": name, "key": h.secretID}).member(t, "name")
		}
		id := s.create(t, h.token, name, "A256GCM/A256KW")
		switch what {
		case "disabled":
			s.post(t, h.token, "elastic-keys/"+id+"/disable", nil)
		case "version disabled":
			s.post(t, h.token, "elastic-keys/"+id+"/material-keys/1/disable", nil)
		}
		return id
	}
	return h
}

// once is what a request is about that works only once: something new where the holding makes it, otherwise something that is there.
func (h holding) once(what string) string {
	switch {
	case h.fresh != nil:
		return h.fresh(what)
	case what == "alias":
		return h.alias
	default:
		return h.secret
	}
}

// fulfilled checks the answer to what the holder of a token asks for with all scopes that the operation needs. A token is bound to nobody, so
// that it does not step up; what undoes what takes a step-up finds nothing to undo. The life of keys has tests of its own for those.
func (a answer) fulfilled(t testing.TB, op *contract.Operation, what string) {
	t.Helper()
	switch {
	case op.StepUp:
		a.refused(t, http.StatusUnauthorized, "step_up_required", what)
	case op.ID == "getKeyGrant" || op.ID == "revokeKeyGrant" || op.ID == "retireKeyGrant":
		a.refused(t, http.StatusNotFound, "not_found", what) // making one takes a step-up
	case op.ID == "retryElasticKeyGeneration" || op.ID == "cancelElasticKeyDeletion" || op.ID == "restoreMaterialKey":
		a.refused(t, http.StatusConflict, "invalid_state", what)
	default:
		assert.Equal(t, 2, a.status/100, "%s: %s: %s", op.ID, what, a.body)
	}
}

// ask is a request for an operation.
type ask struct {
	path string
	body any
}

// asks are, for each operation, requests that concern a holding. The holder gets 2xx for the first one of each.
var asks = map[string]func(h holding) []ask{
	"createElasticKey": func(holding) []ask {
		return []ask{{"elastic-keys", map[string]any{"name": "made-" + strings.ToLower(rand.Text()), "algorithm": "A256GCM/A256KW"}}}
	},
	"listElasticKeys": func(h holding) []ask {
		return []ask{{path: "elastic-keys"}, {path: query("elastic-keys", "limit", "1", "cursor", h.keysCursor)}}
	},
	"getElasticKey":             func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret}} },
	"retryElasticKeyGeneration": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/retry-generation"}} },
	"rotateElasticKey":          func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/rotate"}} },
	"listMaterialKeys": func(h holding) []ask {
		path := "elastic-keys/" + h.secret + "/material-keys"
		return []ask{{path: path}, {path: query(path, "limit", "1", "cursor", h.versionCursor)}}
	},
	"getMaterialKey": func(h holding) []ask {
		path := "elastic-keys/" + h.secret + "/material-keys/"
		return []ask{{path: path + h.materialID}, {path: path + "1"}}
	},
	// Backups and their restoring.
	"backupElasticKey":       func(h holding) []ask { return []ask{{"elastic-keys/" + h.secret + "/backup", someRecipient()}} },
	"createBackup":           func(holding) []ask { return []ask{{"backups", someRecipient()}} },
	"createRestoreRecipient": func(holding) []ask { return []ask{{path: "backups/recipients"}} },
	"restoreBackup": func(holding) []ask {
		return []ask{{"backups/restore?recipient=01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", nil}}
	},
	// Ends before their time, by a quorum.
	"deleteElasticKey":   func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/delete"}} },
	"destroyMaterialKey": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/material-keys/1/destroy"}} },
	// Life of keys and versions.
	"updateElasticKey": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.once("active"), map[string]any{"description": "changed"}}}
	},
	"enableElasticKey":  func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.once("disabled") + "/enable"}} },
	"disableElasticKey": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.once("active") + "/disable"}} },
	"scheduleElasticKeyDeletion": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.once("active") + "/schedule-deletion", map[string]any{}}}
	},
	"cancelElasticKeyDeletion": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.once("active") + "/cancel-deletion"}} },
	"createMaterialKey":        func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/material-keys"}} },
	"enableMaterialKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.once("version disabled") + "/material-keys/1/enable"}}
	},
	"disableMaterialKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.once("active") + "/material-keys/1/disable"}}
	},
	"setPrimaryMaterialKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.secret + "/material-keys/1/set-primary"}}
	},
	"compromiseMaterialKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.once("active") + "/material-keys/1/mark-compromised"}}
	},
	"scheduleMaterialKeyDestruction": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.once("active") + "/material-keys/1/schedule-destruction", map[string]any{}}}
	},
	"restoreMaterialKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.once("active") + "/material-keys/1/restore"}}
	},
	"listAllMaterialKeys": func(holding) []ask { return []ask{{path: "material-keys"}} },
	"createAlias": func(h holding) []ask {
		return []ask{{"aliases", map[string]any{"name": "made-" + strings.ToLower(rand.Text()), "key": h.secret}}}
	},
	"listAliases": func(h holding) []ask { return []ask{{path: "aliases"}, {path: "aliases?key=" + h.secret}} },
	"getAlias":    func(h holding) []ask { return []ask{{path: "aliases/" + h.alias}} },
	"updateAlias": func(h holding) []ask { return []ask{{"aliases/" + h.once("alias"), map[string]any{"key": h.secret}}} },
	"deleteAlias": func(h holding) []ask { return []ask{{path: "aliases/" + h.once("alias")}} },

	"getPublicKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.signer + "/public-key"}, {path: "elastic-keys/" + h.signer + "/public-key?version=1"}}
	},
	"exportElasticKey": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.signer + "/export", map[string]any{"recipient": h.publicKey}}}
	},
	"attestKey": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.signer + "/attestation"}, {path: "elastic-keys/" + h.secret + "/attestation?version=1"}}
	},
	"getAttestationKeys": func(holding) []ask { return []ask{{path: "attestation-keys"}} },
	// Grants on single keys.
	"createKeyGrant": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.secret + "/grants", keyGrant("client", "01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", "encrypt")}}
	},
	"listKeyGrants":  func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/grants"}} },
	"getKeyGrant":    func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/grants/" + h.grantID}} },
	"revokeKeyGrant": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.secret + "/grants/" + h.grantID}} },
	"retireKeyGrant": func(h holding) []ask {
		return []ask{{path: "elastic-keys/" + h.secret + "/grants/" + h.grantID + "/retire"}}
	},
	"createImportJob": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.imported + "/import-jobs", map[string]any{"wrapping": "ECDH-ES+A256KW"}}}
	},
	"listImportJobs": func(h holding) []ask {
		path := "elastic-keys/" + h.imported + "/import-jobs"
		return []ask{{path: path}, {path: query(path, "limit", "1", "cursor", h.jobCursor)}}
	},
	"getImportJob": func(h holding) []ask { return []ask{{path: "elastic-keys/" + h.imported + "/import-jobs/" + h.jobID}} },
	"importKey": func(h holding) []ask {
		return []ask{{"elastic-keys/" + h.imported + "/import", map[string]any{"public_key": h.publicKey}}}
	},
	"getKeySet":            func(holding) []ask { return []ask{{path: "jwks"}} },
	"reportAlgorithms":     func(holding) []ask { return []ask{{path: "reports/algorithms"}} },
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
var described = sync.OnceValues(func() (*contract.Contract, error) {
	document, err := os.ReadFile("api/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return contract.Load(document)
})

// operations are all that the document describes.
func operations(t testing.TB) []*contract.Operation {
	t.Helper()
	c, err := described()
	require.NoError(t, err)
	return c.Operations()
}

func TestOperations_EveryOneOfTheDocumentIsTried(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, op := range operations(t) {
		listed[op.ID] = true
		assert.Contains(t, asks, op.ID, "%s %s is new: say how it is asked, so that every property test here covers it", op.Method, op.Path)
	}
	for id := range asks {
		assert.True(t, listed[id], "%s is no operation any more", id)
	}
}

func TestOperations_TheHolderSucceedsWithEach(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t)).renewing(t, s)
		for _, h := range []holding{h, h.byName(), h.upperCase()} {
			for _, op := range operations(t) {
				for _, ask := range asks[op.ID](h) {
					s.call(t, h.token, op.Method, ask.path, ask.body).fulfilled(t, op, ask.path)
				}
			}
		}
		opened := s.post(t, h.token, "elastic-keys/"+h.secretName+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
		assert.Equal(t, "aGVsbG8", opened.member(t, "plaintext"))
		assert.Equal(t, http.StatusOK, opened.status)
	})
}

// someRecipient is a body that names somebody who can open a backup.
func someRecipient() map[string]any {
	return map[string]any{"recipients": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	}}}
}
