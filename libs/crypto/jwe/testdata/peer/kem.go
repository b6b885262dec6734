package main

import (
	"crypto/mlkem"
	"encoding/base64"
	"fmt"
)

// encapsulationKey returns the encapsulation key of a seed (Octets).
func encapsulationKey(r *request) (string, error) {
	switch r.Algorithm {
	case "ML-KEM-768":
		key, err := mlkem.NewDecapsulationKey768(r.Octets)
		if err != nil {
			return "", err
		}
		return string(key.EncapsulationKey().Bytes()), nil
	case "ML-KEM-1024":
		key, err := mlkem.NewDecapsulationKey1024(r.Octets)
		if err != nil {
			return "", err
		}
		return string(key.EncapsulationKey().Bytes()), nil
	default:
		return "", fmt.Errorf("no algorithm %q", r.Algorithm)
	}
}

// encapsulate returns the shared secret and the ciphertext for an encapsulation key (Octets), each in base64url, with a
// dot between them.
func encapsulate(r *request) (string, error) {
	var shared, ciphertext []byte
	switch r.Algorithm {
	case "ML-KEM-768":
		key, err := mlkem.NewEncapsulationKey768(r.Octets)
		if err != nil {
			return "", err
		}
		shared, ciphertext = key.Encapsulate()
	case "ML-KEM-1024":
		key, err := mlkem.NewEncapsulationKey1024(r.Octets)
		if err != nil {
			return "", err
		}
		shared, ciphertext = key.Encapsulate()
	default:
		return "", fmt.Errorf("no algorithm %q", r.Algorithm)
	}
	return base64.RawURLEncoding.EncodeToString(shared) + "." + base64.RawURLEncoding.EncodeToString(ciphertext), nil
}

// decapsulate returns the shared secret of a ciphertext (Bytes) for a seed (Octets).
func decapsulate(r *request) (string, error) {
	var shared []byte
	switch r.Algorithm {
	case "ML-KEM-768":
		key, err := mlkem.NewDecapsulationKey768(r.Octets)
		if err != nil {
			return "", err
		}
		if shared, err = key.Decapsulate(r.Bytes); err != nil {
			return "", err
		}
	case "ML-KEM-1024":
		key, err := mlkem.NewDecapsulationKey1024(r.Octets)
		if err != nil {
			return "", err
		}
		if shared, err = key.Decapsulate(r.Bytes); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("no algorithm %q", r.Algorithm)
	}
	return string(shared), nil
}
