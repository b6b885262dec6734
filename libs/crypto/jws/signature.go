package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

var errKind = errors.New("the key is of another kind")

// signMessage returns a signature over message; der chooses the encoding of ECDSA signatures.
func signMessage(key *jwk.Key, sig alg.Signature, message []byte, der bool) ([]byte, error) {
	if key.Elsewhere() != nil {
		return signElsewhere(key, sig, message, der)
	}
	switch sig.Family {
	case alg.EdDSA:
		private, ok := key.Material().(ed25519.PrivateKey)
		if !ok {
			return nil, errKind
		}
		return ed25519.Sign(private, message), nil
	case alg.HMAC:
		return computeMAC(key, sig, message), nil
	default:
		var room [sha512.Size]byte
		return signDigest(key, sig, digest(room[:0], sig.Hash, message), der)
	}
}

// signDigest returns a signature over a digest of the algorithm's hash.
func signDigest(key *jwk.Key, sig alg.Signature, digest []byte, der bool) ([]byte, error) {
	switch private := key.Material().(type) {
	case *ecdsa.PrivateKey:
		signature, err := ecdsa.SignASN1(rand.Reader, private, digest)
		if err != nil || der {
			return signature, err
		}
		return p1363FromDER(signature, sig.Size)
	case *rsa.PrivateKey:
		if sig.Family == alg.RSAPSS {
			return rsa.SignPSS(rand.Reader, private, sig.Hash, digest, pssOptions(sig))
		}
		return rsa.SignPKCS1v15(nil, private, sig.Hash, digest)
	default:
		return nil, errKind
	}
}

// verifyMessage says whether signature is one over message.
func verifyMessage(key *jwk.Key, sig alg.Signature, message, signature []byte, der bool) bool {
	switch sig.Family {
	case alg.EdDSA:
		public, ok := publicKey(key).(ed25519.PublicKey)
		return ok && ed25519.Verify(public, message, signature)
	case alg.HMAC:
		return hmac.Equal(computeMAC(key, sig, message), signature)
	default:
		var room [sha512.Size]byte
		return verifyDigest(key, sig, digest(room[:0], sig.Hash, message), signature, der)
	}
}

// verifyDigest says whether signature is one over a digest of the algorithm's hash.
func verifyDigest(key *jwk.Key, sig alg.Signature, digest, signature []byte, der bool) bool {
	switch public := publicKey(key).(type) {
	case *ecdsa.PublicKey:
		if !der {
			var room [maxDER]byte
			var ok bool
			if signature, ok = appendDER(room[:0], signature, sig.Size); !ok {
				return false
			}
		}
		return ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		if sig.Family == alg.RSAPSS {
			return rsa.VerifyPSS(public, sig.Hash, digest, signature, pssOptions(sig)) == nil
		}
		return rsa.VerifyPKCS1v15(public, sig.Hash, digest, signature) == nil
	default:
		return false
	}
}

// publicKey is the public part of a key's material; nil for symmetric keys.
func publicKey(key *jwk.Key) any {
	switch v := key.Material().(type) {
	case *ecdsa.PrivateKey:
		return &v.PublicKey
	case *rsa.PrivateKey:
		return &v.PublicKey
	case ed25519.PrivateKey:
		return v.Public()
	case []byte:
		return nil
	default:
		return v
	}
}

// pssOptions asks for a salt as long as the hash, neither shorter nor longer (RFC 7518 section 3.5).
func pssOptions(sig alg.Signature) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: sig.Hash}
}

func computeMAC(key *jwk.Key, sig alg.Signature, message []byte) []byte {
	mac := hmac.New(sig.Hash.New, key.Secret()) // resolve has made sure that it has one
	mac.Write(message)
	return mac.Sum(nil)
}

func digest(dst []byte, hash crypto.Hash, message []byte) []byte {
	switch hash {
	case crypto.SHA256:
		sum := sha256.Sum256(message)
		return append(dst, sum[:]...)
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return append(dst, sum[:]...)
	default:
		sum := sha512.Sum512(message)
		return append(dst, sum[:]...)
	}
}
