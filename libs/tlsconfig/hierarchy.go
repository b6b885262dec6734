package tlsconfig

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Files of a hierarchy, in the order of their creation.
const (
	rootKeyFile = "root.key"
	issuerFile  = "issuer.pem"
	rootFile    = "root.pem"
)

// rootWarning is how long before its end a root's expiry is logged at every start.
const rootWarning = 365 * 24 * time.Hour

// remedy ends the errors that only people can resolve.
const remedy = "restore the folder from a backup, or remove it to make a new root, which clients must then be given"

// hierarchy is a root and an intermediate authority in a folder.
type hierarchy struct {
	folder folder
	dev    bool
	log    *slog.Logger
}

// rootFile is the path of the root certificate.
func (h hierarchy) rootFile() string { return h.folder.path(rootFile) }

// open returns the root certificate and the intermediate authority. It creates what was never there and rebuilds what can be
// rebuilt from the same root.
func (h hierarchy) open(now time.Time) (root *x509.Certificate, issuer authority, err error) {
	err = h.folder.exclusively(func() error {
		if err := h.folder.checkAccess(); err != nil && !h.dev {
			return err
		}
		root, issuer, err = h.openLocked(now)
		return err
	})
	if err != nil {
		return nil, authority{}, err
	}
	if root.NotAfter.Sub(now) < rootWarning {
		h.log.Warn("the root certificate of the private hierarchy expires and cannot be renewed; clients will need a new one",
			"file", h.rootFile(), "not_after", root.NotAfter)
	}
	return root, issuer, nil
}

func (h hierarchy) openLocked(now time.Time) (*x509.Certificate, authority, error) {
	root, rootErr := h.readRoot()
	known, issuer, issuerErr := h.readIssuer()
	for _, err := range []error{rootErr, issuerErr} {
		if err != nil && !errors.As(err, new(damageError)) {
			return nil, authority{}, err
		}
	}
	if issuer.key != nil {
		if h.dev && !constrained(issuer) {
			return nil, authority{}, errors.New("it was not made in development mode; use another folder for development")
		}
		if root != nil && !root.Equal(known) {
			return nil, authority{}, fmt.Errorf("%s is not the root of %s; %s", rootFile, issuerFile, remedy)
		}
		if root == nil {
			if err := h.restoreRoot(known, rootErr); err != nil {
				return nil, authority{}, err
			}
		}
		return h.renewed(known, issuer, now)
	}
	if rootErr != nil {
		return nil, authority{}, fmt.Errorf("%w; %s", errors.Join(rootErr, issuerErr), remedy)
	}
	return h.rebuild(root, issuerErr, now)
}

// restoreRoot writes root.pem anew from the copy in issuer.pem: its creation was cut off, or it was damaged or removed.
func (h hierarchy) restoreRoot(root *x509.Certificate, damage error) error {
	if damage != nil {
		h.log.Warn("the root certificate was damaged and is restored from its copy", "file", h.rootFile(), "error", damage)
	}
	return h.folder.write(rootFile, encodeCertificate(root))
}

// renewed returns the authority, or its successor when two thirds of its life are over and the root's key is at hand.
func (h hierarchy) renewed(root *x509.Certificate, issuer authority, now time.Time) (*x509.Certificate, authority, error) {
	if now.After(root.NotAfter) {
		return nil, authority{}, fmt.Errorf("%s expired at %s; remove the folder to make a new root, which clients must then be given", rootFile, stamp(root.NotAfter))
	}
	if now.Before(renewAt(issuer.certificate)) || constrained(issuer) && now.Before(issuer.certificate.NotAfter) {
		return root, issuer, nil
	}
	key, err := h.readRootKey()
	if err == nil && key == nil {
		err = fmt.Errorf("%s is not here", rootKeyFile)
	}
	if err == nil {
		return h.replaceIssuer(authority{root, key}, false, now)
	}
	if now.After(issuer.certificate.NotAfter) {
		return nil, authority{}, fmt.Errorf("the intermediate in %s expired at %s and cannot be renewed: %w", issuerFile, stamp(issuer.certificate.NotAfter), err)
	}
	h.log.Warn("the intermediate certificate cannot be renewed; put the root's key back before it expires",
		"file", h.folder.path(issuerFile), "not_after", issuer.certificate.NotAfter, "error", err)
	return root, issuer, nil
}

// constrained says whether an intermediate was made in development mode.
func constrained(issuer authority) bool { return len(issuer.certificate.PermittedDNSDomains) > 0 }

// rebuild makes an intermediate when there is none that can be used: at the first start, after a start that was cut off, or, if
// the root's key is at hand, after damage. root is nil when there is no root certificate either.
func (h hierarchy) rebuild(root *x509.Certificate, damage error, now time.Time) (*x509.Certificate, authority, error) {
	key, err := h.readRootKey()
	if err != nil {
		return nil, authority{}, fmt.Errorf("%w; %s", errors.Join(damage, err), remedy)
	}
	switch {
	case key == nil && damage != nil:
		return nil, authority{}, fmt.Errorf("%w, and there is no %s to replace it with; %s", damage, rootKeyFile, remedy)
	case key == nil && root != nil:
		return nil, authority{}, fmt.Errorf("%s is missing, and there is no %s to replace it with; %s", issuerFile, rootKeyFile, remedy)
	case key != nil && root != nil && !samePublic(key.Public(), root.PublicKey):
		return nil, authority{}, fmt.Errorf("%s does not belong to %s; %s", rootKeyFile, rootFile, remedy)
	case damage != nil:
		h.log.Warn("the intermediate was damaged and is replaced by a new one of the same root", "error", damage)
	}
	if key == nil {
		if key, err = h.newRootKey(); err != nil {
			return nil, authority{}, err
		}
	}
	if root != nil {
		return h.replaceIssuer(authority{root, key}, h.dev, now)
	}
	if root, err = issueRoot(key, now); err != nil {
		return nil, authority{}, err
	}
	root, issuer, err := h.replaceIssuer(authority{root, key}, h.dev, now)
	if err != nil {
		return nil, authority{}, err
	}
	return root, issuer, h.folder.write(rootFile, encodeCertificate(root))
}

// newRootKey makes the root's key. Development mode does not write it: after the intermediate is issued nobody has it.
func (h hierarchy) newRootKey() (crypto.Signer, error) {
	key, err := newKey(elliptic.P384())
	if err != nil || h.dev {
		return key, err
	}
	block, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(block)
	return key, h.folder.write(rootKeyFile, block)
}

// replaceIssuer issues an intermediate with a new key and writes it.
func (h hierarchy) replaceIssuer(root authority, constrained bool, now time.Time) (*x509.Certificate, authority, error) {
	key, err := newKey(elliptic.P384())
	if err != nil {
		return nil, authority{}, err
	}
	certificate, err := issueIntermediate(root, key, constrained, now)
	if err != nil {
		return nil, authority{}, err
	}
	block, err := encodeKey(key)
	if err != nil {
		return nil, authority{}, err
	}
	defer clear(block)
	content := bytes.Join([][]byte{encodeCertificate(certificate), encodeCertificate(root.certificate), block}, nil)
	defer clear(content)
	if err := h.folder.write(issuerFile, content); err != nil {
		return nil, authority{}, err
	}
	h.log.Info("TLS hierarchy: new intermediate", "file", h.folder.path(issuerFile), "not_after", certificate.NotAfter, "root", h.rootFile())
	return root.certificate, authority{certificate, key}, nil
}
