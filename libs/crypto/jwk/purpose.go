package jwk

import (
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// Operations of RFC 7517 section 4.3, and those of key encapsulation as the Web Cryptography API names
// them (WICG, Modern Algorithms in the Web Cryptography API).
const (
	OpSign       = "sign"
	OpVerify     = "verify"
	OpEncrypt    = "encrypt"
	OpDecrypt    = "decrypt"
	OpWrapKey    = "wrapKey"
	OpUnwrapKey  = "unwrapKey"
	OpDeriveKey  = "deriveKey"
	OpDeriveBits = "deriveBits"

	OpEncapsulateKey  = "encapsulateKey"
	OpEncapsulateBits = "encapsulateBits"
	OpDecapsulateKey  = "decapsulateKey"
	OpDecapsulateBits = "decapsulateBits"
)

// useOf says to which use an operation belongs; "" for operations it does not know.
func useOf(operation string) string {
	switch operation {
	case OpSign, OpVerify:
		return UseSignature
	case OpEncrypt, OpDecrypt, OpWrapKey, OpUnwrapKey, OpDeriveKey, OpDeriveBits,
		OpEncapsulateKey, OpEncapsulateBits, OpDecapsulateKey, OpDecapsulateBits:
		return UseEncryption
	default:
		return ""
	}
}

// publicOperations turns the operations of a private key into those of its public part. Key
// agreement needs no operation on the public side.
func publicOperations(operations []string, private bool) []string {
	if !private {
		return operations
	}
	var public []string
	for _, operation := range operations {
		switch operation {
		case OpSign:
			operation = OpVerify
		case OpDecrypt:
			operation = OpEncrypt
		case OpUnwrapKey:
			operation = OpWrapKey
		case OpDecapsulateKey:
			operation = OpEncapsulateKey
		case OpDecapsulateBits:
			operation = OpEncapsulateBits
		case OpDeriveKey, OpDeriveBits:
			continue
		}
		if !slices.Contains(public, operation) {
			public = append(public, operation)
		}
	}
	return public
}

// Permits returns nil if the key's use and key_ops allow at least one of the operations; otherwise an
// error with code key_mismatch. A key without these attributes is not restricted by them.
func (k *Key) Permits(operations ...string) error {
	for _, operation := range operations {
		if k.Use != "" && k.Use != useOf(operation) {
			continue
		}
		if len(k.Operations) == 0 || slices.Contains(k.Operations, operation) {
			return nil
		}
	}
	return fault.New(fault.KeyMismatch, "the key's use or key_ops do not permit %s", operations[0])
}

// maxOperations is the number of operations a key may name; RFC 7517 section 4.3 has eight.
const maxOperations = 32

// checkPurpose refuses attributes that contradict each other (RFC 7517 section 4.3) or the key.
func (k *Key) checkPurpose() error {
	if k.Use != "" && k.Use != UseSignature && k.Use != UseEncryption {
		return fault.New(fault.InvalidKey, "use %.16q is not supported", k.Use)
	}
	if len(k.Operations) > maxOperations {
		return fault.New(fault.InvalidKey, "key_ops has more than %d operations", maxOperations)
	}
	use := k.Use
	for i, operation := range k.Operations {
		if slices.Contains(k.Operations[:i], operation) {
			return fault.New(fault.InvalidKey, "operation %.16q stands twice in key_ops", operation)
		}
		of := useOf(operation)
		switch {
		case of == "":
			continue
		case use == "":
			use = of
		case use != of:
			return fault.New(fault.InvalidKey, "use and key_ops contradict each other")
		}
	}
	if k.Algorithm == "" {
		return nil
	}
	algorithmUse, err := k.checkAlgorithm(k.Algorithm)
	if err != nil {
		return err
	}
	if use != "" && use != algorithmUse {
		return fault.New(fault.InvalidKey, "algorithm %q contradicts use or key_ops", k.Algorithm)
	}
	return nil
}

// checkAlgorithm says which use an algorithm has, or an error if the key does not fit it.
func (k *Key) checkAlgorithm(name string) (use string, err error) {
	var misfits error
	if sig, err := alg.LookupSignature(name); err == nil {
		use, misfits = UseSignature, k.FitsSignature(sig)
	} else if management, err := alg.LookupKeyManagement(name); err == nil {
		use, misfits = UseEncryption, k.FitsKeyManagement(management)
	} else if content, err := alg.LookupContentEncryption(name); err == nil {
		use = UseEncryption
		if k.Type() != alg.KeyTypeOctet || k.Size() != content.KeySize {
			misfits = misfit(k, name)
		}
	} else if kem, err := alg.LookupKEM(name); err == nil {
		use, misfits = UseEncryption, k.FitsKEM(kem)
	} else if derivation, err := alg.LookupDerivation(name); err == nil {
		use, misfits = UseEncryption, k.FitsDerivation(derivation)
	} else {
		return "", err
	}
	if misfits != nil {
		return "", fault.New(fault.InvalidKey, "%w", misfits)
	}
	return use, nil
}

// FitsSignature returns nil if the algorithm can run on this key: its type, its curve and, for HMAC,
// at least the length of the hash (RFC 7518 section 3.2). The error's code is key_mismatch.
func (k *Key) FitsSignature(sig alg.Signature) error {
	if k.Type() != sig.KeyType || k.Curve() != sig.Curve {
		return misfit(k, sig.Name)
	}
	if sig.Family == alg.HMAC && k.Size() < sig.Hash.Size()*8 {
		return fault.New(fault.KeyMismatch, "a key of %d bits is shorter than the hash of %s", k.Size(), sig.Name)
	}
	return nil
}

// FitsKeyManagement returns nil if the algorithm can run on this key: its type and, for AES, its
// length. The error's code is key_mismatch.
func (k *Key) FitsKeyManagement(management alg.KeyManagement) error {
	aesKey := management.Family == alg.AESKeyWrap || management.Family == alg.AESGCMKeyWrap
	if k.Type() != management.KeyType || aesKey && k.Size() != management.KeySize {
		return misfit(k, management.Name)
	}
	return nil
}

// FitsKEM returns nil if the algorithm can run on this key: its parameter set. The error's code is
// key_mismatch.
func (k *Key) FitsKEM(kem alg.KEM) error {
	if k.Type() != kem.KeyType || k.ParameterSet() != kem.Name {
		return misfit(k, kem.Name)
	}
	return nil
}

// FitsDerivation returns nil if the algorithm can run on this key: its type and, for HKDF, at least the
// length of the hash. The error's code is key_mismatch.
func (k *Key) FitsDerivation(derivation alg.Derivation) error {
	if k.Type() != derivation.KeyType {
		return misfit(k, derivation.Name)
	}
	if derivation.Family == alg.HKDF && k.Size() < derivation.Hash.Size()*8 {
		return fault.New(fault.KeyMismatch, "a key of %d bits is shorter than the hash of %s", k.Size(), derivation.Name)
	}
	return nil
}

func misfit(k *Key, algorithm string) error {
	switch {
	case k.ParameterSet() != "":
		return fault.New(fault.KeyMismatch, "an %s key does not fit %s", k.ParameterSet(), algorithm)
	case k.Curve() != "":
		return fault.New(fault.KeyMismatch, "an %s key on %s does not fit %s", k.Type(), k.Curve(), algorithm)
	default:
		return fault.New(fault.KeyMismatch, "an %s key of %d bits does not fit %s", k.Type(), k.Size(), algorithm)
	}
}
