package kmstest

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Fixture is a service on SQLite with the keys of one tenant, for what no engine has a part in.
func Fixture(t testing.TB) (*Service, Holding) {
	t.Helper()
	cfg, files := Prepare(t, database.EngineSQLite)
	s := Run(t, cfg, files)
	return s, NewHolding(t, s, "default", s.Operator(t))
}

// Holding is what a tenant has, and what somebody else might try to reach.
type Holding struct {
	Tenant, Token string
	Secret        string // a key that encrypts, by id or name
	Signer        string // a key that signs
	SecretID      string
	SecretName    string
	SignerID      string
	SignerName    string
	MACKey        string // keys for one kind of operation each
	KEMKey        string
	DeriveKey     string
	Description   string
	Imported      string // a key that verifies, whose versions are imported, by id or name
	ImportedID    string
	ImportedName  string
	JobID         string // of an import job of it
	JobToken      string
	PublicKey     json.RawMessage
	MaterialID    string // of the first version of Secret
	Ciphertext    string // made by Secret
	JWS, Raw      string // made by Signer, the latter bare
	Alias         string // of Secret
	Wrapped       string // a key, under Secret
	MAC           string // made by MACKey
	Encapsulated  string // for KEMKey
	KeysCursor    string // of a list of keys
	VersionCursor string // of the list of the versions of Secret
	JobCursor     string // of the list of the import jobs of Imported
	GrantID       string // of a grant on Secret; of none where the holder cannot step up

	// Fresh makes, where it is set, a key of two versions in a state, or an alias, for a request that works only once; see Renewing.
	Fresh func(what string) string
}

// NewHolding makes a tenant's keys and uses each operation on them.
func NewHolding(t testing.TB, s *Service, tenant, token string) Holding {
	t.Helper()
	h := Holding{
		Tenant: tenant, Token: token,
		SecretName: tenant + "-secret", SignerName: tenant + "-signer", Description: "a description of " + tenant,
	}
	h.SecretID = s.Post(t, token, "elastic-keys",
		map[string]any{"name": h.SecretName, "algorithm": "A256GCM/A256KW", "description": h.Description}).Member(t, "id")
	h.SignerID = s.Create(t, token, h.SignerName, "ES256")
	h.Secret, h.Signer, h.GrantID = h.SecretID, h.SignerID, uuid.Must(uuid.NewV7()).String()
	h.MACKey, h.KEMKey, h.DeriveKey = tenant+"-mac", tenant+"-kem", tenant+"-derive"
	s.Create(t, token, h.MACKey, "HS256")
	s.Create(t, token, h.KEMKey, "ML-KEM-768")
	s.Create(t, token, h.DeriveKey, "HKDF-SHA256")
	h.MAC = s.Post(t, token, "elastic-keys/"+h.MACKey+"/mac", map[string]any{"payload": "aGVsbG8"}).Member(t, "mac")
	h.Encapsulated = s.Post(t, token, "elastic-keys/"+h.KEMKey+"/encapsulate", map[string]any{}).Member(t, "ciphertext")
	h.Wrapped = s.Post(t, token, "elastic-keys/"+h.Secret+"/wrap", map[string]any{"key": "aGVsbG8"}).Member(t, "wrapped")
	h.Ciphertext = s.Post(t, token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	h.JWS = s.Post(t, token, "elastic-keys/"+h.Signer+"/sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
	h.Raw = s.Post(t, token, "elastic-keys/"+h.Signer+"/sign",
		map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).Member(t, "signature")
	h.MaterialID = s.Get(t, token, "elastic-keys/"+h.Secret+"/material-keys/1").Member(t, "id")
	s.Post(t, token, "elastic-keys/"+h.Secret+"/rotate", nil)
	h.Alias = s.Post(t, token, "aliases", map[string]any{"name": tenant + "-alias", "key": h.SecretID}).Member(t, "name")
	h.KeysCursor = s.Get(t, token, "elastic-keys?limit=1").Member(t, "next_cursor")
	h.VersionCursor = s.Get(t, token, "elastic-keys/"+h.Secret+"/material-keys?limit=1").Member(t, "next_cursor")
	require.NotEmpty(t, h.KeysCursor)
	require.NotEmpty(t, h.VersionCursor)
	return h.importInto(t, s)
}

// ByName is the holding with its keys called by name.
func (h Holding) ByName() Holding {
	h.Secret, h.Signer, h.Imported = h.SecretName, h.SignerName, h.ImportedName
	return h
}

// UpperCase is the holding with its keys called by their ids in the other spelling of UUIDs.
func (h Holding) UpperCase() Holding {
	h.Secret, h.Signer, h.MaterialID = strings.ToUpper(h.SecretID), strings.ToUpper(h.SignerID), strings.ToUpper(h.MaterialID)
	h.Imported, h.JobID = strings.ToUpper(h.ImportedID), strings.ToUpper(h.JobID)
	return h
}

// Renewing is the holding with new keys and aliases for requests that work only once.
func (h Holding) Renewing(t testing.TB, s *Service) Holding {
	t.Helper()
	h.Fresh = func(what string) string {
		name := "fresh-" + strings.ToLower(rand.Text())
		if what == "alias" {
			return s.Post(t, h.Token, "aliases", map[string]any{"name": name, "key": h.SecretID}).Member(t, "name")
		}
		id := s.Create(t, h.Token, name, "A256GCM/A256KW")
		switch what {
		case "disabled":
			s.Post(t, h.Token, "elastic-keys/"+id+"/disable", nil)
		case "version disabled":
			s.Post(t, h.Token, "elastic-keys/"+id+"/material-keys/1/disable", nil)
		}
		return id
	}
	return h
}

// once is what a request is about that works only once: something new where the holding makes it, otherwise something that is there.
func (h Holding) once(what string) string {
	switch {
	case h.Fresh != nil:
		return h.Fresh(what)
	case what == "alias":
		return h.Alias
	default:
		return h.Secret
	}
}
