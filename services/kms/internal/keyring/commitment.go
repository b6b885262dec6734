package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// commitmentLabel is what the secrets of commitments are derived from the barrier by. It never changes.
const commitmentLabel = "kms import commitment v1"

// commitment is a text by which the same material is known again when it is brought for this version once more. Both of its secrets are the
// barrier's: nobody who reads the database learns which versions hold the same key, and nobody who writes to it can have a version take
// another one.
func (k *Keyring) commitment(version MaterialKey, material *jwk.Key) (string, error) {
	secrets, err := k.barrier.DeriveKey(commitmentLabel, 2*keyimport.MinCommitmentSecret)
	if err != nil {
		return "", fmt.Errorf("derive secrets of commitments: %w", err)
	}
	defer clear(secrets)
	same, err := keyimport.Commitment(material, secrets[:keyimport.MinCommitmentSecret])
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, secrets[keyimport.MinCommitmentSecret:])
	mac.Write([]byte(version.Tenant + "\n" + version.ID + "\n" + string(version.Origin) + "\n" + same)) // none of them has a line end
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// sameMaterial refuses other material for a version that has had some.
func (k *Keyring) sameMaterial(target importTarget, material *jwk.Key) error {
	if !target.again {
		return nil
	}
	commitment, err := k.commitment(target.version, material)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(commitment), []byte(target.version.Commitment)) {
		return errOtherMaterial()
	}
	return nil
}

func errOtherMaterial() error {
	return problem.New("import_other_material", "the version takes back only the material that it had")
}
