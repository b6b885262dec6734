package server

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DevMarker is the file that dev mode leaves in its data directory: what it made there protects nothing.
const DevMarker = "DEV"

// AdminTokenFile is the file in the data directory that holds the bearer token for the admin listener.
const AdminTokenFile = "admin.token"

// adminTokenSize is the token's entropy in bytes.
const adminTokenSize = 32

// CheckDataDir refuses a data directory that does not exist, and, unless dev, one that dev mode has made.
func CheckDataDir(dir string, dev bool) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("open data directory: %s is not a directory", dir)
	}
	_, err = os.Lstat(filepath.Join(dir, DevMarker))
	switch {
	case dev, errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open data directory: %w", err)
	default:
		return fmt.Errorf("data directory %s was made by dev mode (it holds the file %s); its secrets protect nothing: use another directory", dir, DevMarker)
	}
}

// ReadAdminToken reads the token that the service keeps in a file. The file must be readable for its owner alone.
func ReadAdminToken(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, fmt.Errorf("read admin token: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read admin token: %s must be a file that only its owner can read: chmod 600 it", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read admin token: %w", err)
	}
	token := bytes.TrimSpace(content)
	if raw, err := base64.RawURLEncoding.DecodeString(string(token)); err != nil || len(raw) < adminTokenSize {
		return nil, fmt.Errorf("read admin token: %s holds no token; delete it and restart the service", file)
	}

	return token, nil
}

// openAdminToken reads the token, and makes it first if there is none. Processes that start together end with the same one.
func openAdminToken(dir string) ([]byte, error) {
	file := filepath.Join(dir, AdminTokenFile)
	token, err := ReadAdminToken(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	if err := makeAdminToken(dir, file); err != nil {
		return nil, fmt.Errorf("make admin token: %w", err)
	}

	return ReadAdminToken(file)
}

// makeAdminToken puts a complete file in place, unless one has appeared meanwhile.
func makeAdminToken(dir, file string) error {
	temporary, err := os.CreateTemp(dir, AdminTokenFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	secret := make([]byte, adminTokenSize)
	_, _ = rand.Read(secret) // ends the process instead of failing
	_, err = temporary.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	return nil
}
