package secrethash

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

const (
	// MinSecret is the length in bytes of the shortest secret that is hashed: 128
	// random bits, below which a fast hash could be guessed (NIST SP 800-132
	// section 5 asks for PBKDF2 there).
	MinSecret = 16
	// MinPepper is the length in bytes of the shortest pepper: the security
	// strength of the weakest hash used (NIST SP 800-107 section 5.3.4).
	MinPepper = 32
	// minSalt is the floor of NIST SP 800-132 section 5.1: 128 bits.
	minSalt = 16
	// maxSalt and maxInfo bound what configuration may ask for.
	maxSalt = 64
	maxInfo = 256
)

// Policy is one version of how secrets are hashed.
type Policy struct {
	// Version is its number, from 1; the text of a hash begins with it.
	Version int
	// Hash is SHA-256, SHA-384 or SHA-512.
	Hash string
	// SaltBytes is the length of the random salt, 16 to 64.
	SaltBytes int
	// Info separates the output from that of other registries and versions
	// (RFC 5869 section 3.2).
	Info string
}

// Policies are the versions of the high-entropy random registry; the last one is current.
func Policies() []Policy {
	return []Policy{
		{Version: 1, Hash: "SHA-256", SaltBytes: 16, Info: "cryptoutil high-entropy random v1"},
		{Version: 2, Hash: "SHA-384", SaltBytes: 24, Info: "cryptoutil high-entropy random v2"},
		{Version: 3, Hash: "SHA-512", SaltBytes: 32, Info: "cryptoutil high-entropy random v3"},
	}
}

func (p Policy) check() error {
	_, known := functionByName(p.Hash)
	switch {
	case p.Version < 1:
		return fmt.Errorf("policy version %d: must be at least 1", p.Version)
	case !known:
		return fmt.Errorf("policy version %d: hash %q is not one of SHA-256, SHA-384, SHA-512", p.Version, p.Hash)
	case p.SaltBytes < minSalt || p.SaltBytes > maxSalt:
		return fmt.Errorf("policy version %d: salt of %d bytes, must be %d to %d", p.Version, p.SaltBytes, minSalt, maxSalt)
	case p.Info == "" || len(p.Info) > maxInfo:
		return fmt.Errorf("policy version %d: info must have 1 to %d bytes", p.Version, maxInfo)
	}
	return nil
}

// function is a hash function as HKDF and HMAC use it.
type function struct {
	name      string // as in a Policy
	algorithm string // as in the text of a hash
	size      int    // bytes
	new       func() hash.Hash
}

func functions() []function {
	return []function{
		{"SHA-256", "HKDF-HMAC-SHA256", sha256.Size, sha256.New},
		{"SHA-384", "HKDF-HMAC-SHA384", sha512.Size384, sha512.New384},
		{"SHA-512", "HKDF-HMAC-SHA512", sha512.Size, sha512.New},
	}
}

func functionByName(name string) (function, bool) {
	for _, f := range functions() {
		if f.name == name {
			return f, true
		}
	}
	return function{}, false
}

func functionByAlgorithm(algorithm string) (function, bool) {
	for _, f := range functions() {
		if f.algorithm == algorithm {
			return f, true
		}
	}
	return function{}, false
}

// functionBySize selects by the length of the secret: up to 31 bytes SHA-256, up
// to 47 SHA-384, from 48 SHA-512, so that the hash is never weaker than the secret.
func functionBySize(secretBytes int) function {
	f := functions()
	switch {
	case secretBytes < sha256.Size:
		return f[0]
	case secretBytes < sha512.Size384:
		return f[1]
	default:
		return f[2]
	}
}

// derive computes HKDF(HMAC(pepper, secret), salt, info) with the length of the
// hash function (RFC 5869).
func (f function) derive(pepper, secret, salt []byte, info string) ([]byte, error) {
	mac := hmac.New(f.new, pepper)
	mac.Write(secret)
	peppered := mac.Sum(nil)
	defer clear(peppered)
	return hkdf.Key(f.new, peppered, salt, info, f.size)
}
