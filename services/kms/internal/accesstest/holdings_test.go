package accesstest_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// nobody is a holding of well-formed things that do not exist.
func nobody(like kmstest.Holding) kmstest.Holding {
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
	return kmstest.Holding{
		Tenant: "nobody", Secret: id, Signer: signerID, SecretID: id, SignerID: signerID,
		SecretName: "nobodys-secret", SignerName: "nobodys-signer", Alias: "nobodys-alias",
		GrantID: uuid.Must(uuid.NewV7()).String(),
		MACKey:  "nobodys-mac", KEMKey: "nobodys-kem", DeriveKey: "nobodys-derive",
		Wrapped: elsewhere(like.Wrapped, id+".1"), MAC: like.MAC, Encapsulated: like.Encapsulated,
		MaterialID: uuid.Must(uuid.NewV7()).String(),
		Imported:   importedID, ImportedID: importedID, ImportedName: "nobodys-imported", JobID: uuid.Must(uuid.NewV7()).String(), JobCursor: cursor,
		PublicKey:  like.PublicKey,
		Ciphertext: elsewhere(like.Ciphertext, id+".1"),
		JWS:        elsewhere(like.JWS, signerID+".1"),
		Raw:        base64.RawURLEncoding.EncodeToString([]byte(rand.Text() + rand.Text() + rand.Text())),
		KeysCursor: cursor, VersionCursor: cursor,
	}
}

// with is the holding with all that is inside requests, not in their paths, taken from another one.
func with(h, other kmstest.Holding) kmstest.Holding {
	h.MaterialID, h.Ciphertext, h.JWS, h.Raw = other.MaterialID, other.Ciphertext, other.JWS, other.Raw
	h.Wrapped, h.MAC, h.Encapsulated = other.Wrapped, other.MAC, other.Encapsulated
	h.KeysCursor, h.VersionCursor = other.KeysCursor, other.VersionCursor
	h.JobID, h.JobCursor, h.GrantID = other.JobID, other.JobCursor, other.GrantID
	return h
}
