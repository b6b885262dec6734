package tlsconfig

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// damageError says that a file is there and can be read, but is not what it should be.
type damageError struct {
	file  string
	cause error
}

// Error names the file.
func (e damageError) Error() string { return e.file + " is damaged: " + e.cause.Error() }

// Unwrap returns the cause.
func (e damageError) Unwrap() error { return e.cause }

// readRoot reads root.pem; nil without error when it is absent.
func (h hierarchy) readRoot() (*x509.Certificate, error) {
	text, err := h.folder.read(rootFile)
	if text == nil || err != nil {
		return nil, err
	}
	certificates, rest, err := parseCertificates(text)
	if err == nil && (len(certificates) != 1 || len(rest) > 0 || !certificates[0].IsCA) {
		err = errors.New("is not one root certificate")
	}
	if err == nil {
		err = certificates[0].CheckSignatureFrom(certificates[0])
	}
	if err != nil {
		return nil, damageError{rootFile, err}
	}
	return certificates[0], nil
}

// readRootKey reads root.key; nil without error when it is absent.
func (h hierarchy) readRootKey() (crypto.Signer, error) {
	text, err := h.readPrivate(rootKeyFile)
	if text == nil || err != nil {
		return nil, err
	}
	defer clear(text)
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		return nil, damageError{rootKeyFile, errors.New("is not one PEM private key")}
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, damageError{rootKeyFile, err}
	}
	return key, nil
}

// readIssuer reads issuer.pem; a nil key without error when it is absent.
func (h hierarchy) readIssuer() (root *x509.Certificate, issuer authority, err error) {
	text, err := h.readPrivate(issuerFile)
	if text == nil || err != nil {
		return nil, authority{}, err
	}
	defer clear(text)
	root, issuer, err = parseIssuer(text)
	if err != nil {
		return nil, authority{}, damageError{issuerFile, err}
	}
	return root, issuer, nil
}

// parseIssuer takes issuer.pem apart and checks that its parts belong together.
func parseIssuer(text []byte) (root *x509.Certificate, issuer authority, err error) {
	certificates, rest, err := parseCertificates(text)
	if err != nil {
		return nil, authority{}, err
	}
	if len(certificates) != 2 || len(rest) != 1 {
		return nil, authority{}, errors.New("is not an intermediate, a root and a key")
	}
	key, err := parseKey(rest[0])
	if err != nil {
		return nil, authority{}, err
	}
	if !samePublic(key.Public(), certificates[0].PublicKey) {
		return nil, authority{}, errors.New("its key does not belong to its certificate")
	}
	if err := certificates[0].CheckSignatureFrom(certificates[1]); err != nil {
		return nil, authority{}, fmt.Errorf("its intermediate is not of its root: %w", err)
	}
	return certificates[1], authority{certificates[0], key}, nil
}

// readPrivate reads a file with a key; nil without error when it is absent. Outside development mode it refuses a file that everybody can
// read or write. A group may: volumes are handed to a group when they are mounted.
func (h hierarchy) readPrivate(name string) ([]byte, error) {
	text, err := h.folder.read(name)
	if text == nil || err != nil || h.dev {
		return text, err
	}
	info, err := os.Stat(h.folder.path(name))
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("%s is open to everybody (mode %04o); chmod 600 it, and make a new hierarchy if somebody may have used it", name, mode)
	}
	return text, nil
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
