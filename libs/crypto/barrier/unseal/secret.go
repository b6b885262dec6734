package unseal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// SecretSize is the length in bytes of the secret that an unseal key is derived from.
const SecretSize = 32

// NewShares makes a new secret for the mode Shamir and returns its shares in text form;
// any threshold of them unseal. Nothing else keeps the secret.
func NewShares(shares, threshold int) ([]string, error) {
	texts, secret, _, err := newShares(shares, threshold)
	clear(secret)
	return texts, err
}

// newShares also returns the secret, which the caller clears, and the name of the set.
func newShares(shares, threshold int) (texts []string, secret []byte, setID string, err error) {
	secret = make([]byte, SecretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, nil, "", fmt.Errorf("make unseal shares: %w", err)
	}
	set, err := secretshare.Split(secret, shares, threshold)
	if err != nil {
		clear(secret)
		return nil, nil, "", fmt.Errorf("make unseal shares: %w", err)
	}
	texts = make([]string, len(set))
	for i, share := range set {
		texts[i] = share.Text()
		share.Zero()
	}
	return texts, secret, set[0].SetID(), nil
}

// LoadOrCreateSecret reads the secret in the file, SecretSize raw bytes, which it makes
// with mode 0600 when it does not exist. Processes that do so at once get the same one.
func LoadOrCreateSecret(file string) ([]byte, error) {
	secret, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createSecret(file); err == nil {
			secret, err = os.ReadFile(file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("unseal secret: %w", err)
	}
	if len(secret) != SecretSize {
		return nil, fmt.Errorf("unseal secret: %s has %d bytes, must have %d", file, len(secret), SecretSize)
	}
	return secret, nil
}

// createSecret writes a complete file beside the target and links it there, which fails
// when somebody else was faster: nobody ever sees half a secret.
func createSecret(file string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // what remains is a name that nobody reads
	secret := make([]byte, SecretSize)
	defer clear(secret)
	if _, err = rand.Read(secret); err == nil {
		_, err = temporary.Write(secret)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(filepath.Dir(file))
}

// syncDirectory makes a new name survive a power failure.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// unsealKey derives the unseal key (HKDF, RFC 5869). The mode, Derive, Shamir or
// Recovery, separates keys of the same secret.
func unsealKey(secret []byte, mode Mode) ([]byte, error) {
	return hkdf.Key(sha512.New, secret, nil, "cryptoutil unseal key v1 "+string(mode), barrier.UnsealKeySize)
}

// deriveKeyID names the unseal key of a secret: the same for the same secret, and
// nothing else can be learned from it.
func deriveKeyID(secret []byte) string {
	id, err := hkdf.Key(sha512.New, secret, nil, "cryptoutil unseal key id v1", 16)
	if err != nil { // New has checked the length of the secret, which is all that can be wrong.
		panic(err)
	}
	return "derive:" + hex.EncodeToString(id)
}

// shamirKeyID names the unseal key that the shares of a set give.
func shamirKeyID(setID string) string { return string(Shamir) + ":" + setID }
