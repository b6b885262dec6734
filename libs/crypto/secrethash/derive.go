package secrethash

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// function is a hash function as HMAC, HKDF and PBKDF2 use it.
type function struct {
	name      string // as in the configuration
	label     string // as in the text of a hash
	size      int    // bytes
	minRounds int    // of PBKDF2
	new       func() hash.Hash
}

func functions() [3]function {
	return [3]function{
		{"SHA-256", "SHA256", sha256.Size, 600_000, sha256.New},
		{"SHA-384", "SHA384", sha512.Size384, 220_000, sha512.New384}, // the compression function of SHA-512
		{"SHA-512", "SHA512", sha512.Size, 220_000, sha512.New},
	}
}

func functionBy(is func(function) bool) (function, bool) {
	for _, f := range functions() {
		if is(f) {
			return f, true
		}
	}
	return function{}, false
}

func functionByName(name string) (function, bool) {
	return functionBy(func(f function) bool { return f.name == name })
}

func functionByLabel(label string) (function, bool) {
	return functionBy(func(f function) bool { return f.label == label })
}

func functionBySize(size int) (function, bool) {
	return functionBy(func(f function) bool { return f.size == size })
}

// functionByInput selects by the length of the input, so that the hash is never weaker than it.
func functionByInput(length int) function {
	f := functions()
	switch {
	case length < sha256.Size:
		return f[0]
	case length < sha512.Size384:
		return f[1]
	default:
		return f[2]
	}
}

// pepper is HMAC(pepper, input), the key from which all else is derived.
func (f function) pepper(pepper, input []byte) []byte {
	mac := hmac.New(f.new, pepper)
	mac.Write(input)
	return mac.Sum(nil)
}

// hkdf computes HKDF(HMAC(pepper, input), salt, info) with the length of the hash function (RFC 5869).
func (f function) hkdf(pepper, input, salt []byte, info string) ([]byte, error) {
	peppered := f.pepper(pepper, input)
	defer clear(peppered)
	return hkdf.Key(f.new, peppered, salt, info, f.size)
}

// pbkdf2 computes PBKDF2(HMAC(pepper, input), info || 0 || salt, rounds) with the length of the hash function. The part in front is what SP 800-132
// section 5.1 calls the purpose; as it holds no zero byte, no two (info, salt) are written alike.
func (f function) pbkdf2(pepper, input, salt []byte, info string, rounds int) ([]byte, error) {
	peppered := f.pepper(pepper, input)
	defer clear(peppered)
	purpose := append([]byte(info), 0)
	return pbkdf2.Key(f.new, string(peppered), append(purpose, salt...), rounds, f.size)
}

// fixedSalt is the secret salt of a deterministic registry's version. It comes from the pepper, so that there is one secret to keep for each version.
func fixedSalt(v Version, pepper []byte) ([]byte, error) {
	return hkdf.Key(sha512.New, pepper, nil, "fixed salt: "+v.Info, v.SaltBytes)
}

// saltOf derives the salt of an input of low entropy from the fixed one, so that a guess that is computed for one input says nothing of another.
func (f function) saltOf(fixed, input []byte) []byte {
	mac := hmac.New(f.new, fixed)
	mac.Write(input)
	return mac.Sum(nil)[:min(len(fixed), f.size)]
}
