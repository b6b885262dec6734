// Program peer encrypts and signs with an independent library, for the tests that compare it with
// ours. It reads requests from standard input, one JSON object per line, and answers each with one.
// The library's AES-GCM does not run under FIPS 140-3 enforcement, so the tests start this program
// with GODEBUG=fips140=off; nothing else may do so.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-jose/go-jose/v4"
)

type request struct {
	Operation  string          `json:"operation"` // see serve
	Algorithm  string          `json:"algorithm"`
	Encryption string          `json:"encryption"`
	Key        jose.JSONWebKey `json:"key"`
	Text       string          `json:"text"` // plaintext or message

	// For JSON serialization: several recipients, each with the algorithm of its key, and data in the clear.
	Keys []jose.JSONWebKey `json:"keys"`
	AAD  string            `json:"aad"`

	// Of a JWS: compact or json, with the payload beside it, and signed as it stands (RFC 7797).
	Form                string `json:"form"`
	Type                string `json:"typ"`
	Detached, Unencoded bool

	// What is no text, in standard base64: a plaintext or a payload in the place of Text; a key in the place of Key,
	// as PKCS #8, SubjectPublicKeyInfo or the bytes of a symmetric key.
	Bytes  []byte `json:"bytes"`
	PKCS8  []byte `json:"pkcs8"`
	SPKI   []byte `json:"spki"`
	Octets []byte `json:"octets"`

	// Members of the protected header.
	KeyID       string `json:"kid"`
	ContentType string `json:"cty"`
}

type answer struct {
	Text  string `json:"text"`
	Bytes []byte `json:"bytes"` // the same as bytes
	Error string `json:"error"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var result answer
		text, err := serve(lines.Bytes())
		if result.Text, result.Bytes = text, []byte(text); err != nil {
			result.Error = err.Error()
		}
		if err := out.Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func serve(line []byte) (string, error) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return "", err
	}
	if err := r.readKey(); err != nil {
		return "", err
	}
	if len(r.Bytes) > 0 {
		r.Text = string(r.Bytes)
	}
	switch r.Operation {
	case "encrypt-json":
		return encryptJSON(&r)
	case "decrypt-json":
		return decryptJSON(&r)
	case "encrypt":
		return encrypt(&r)
	case "decrypt":
		return decrypt(&r)
	case "seal":
		return seal(&r)
	case "open":
		return open(&r)
	case "sign":
		return sign(&r)
	case "verify":
		return verify(&r)
	case "sign-form":
		return signForm(&r)
	case "verify-form":
		return verifyForm(&r)
	case "encapsulation-key":
		return encapsulationKey(&r)
	case "encapsulate":
		return encapsulate(&r)
	case "decapsulate":
		return decapsulate(&r)
	default:
		return "", fmt.Errorf("no operation %q", r.Operation)
	}
}

// readKey reads a key that is no JWK.
func (r *request) readKey() (err error) {
	switch {
	case len(r.PKCS8) > 0:
		r.Key.Key, err = x509.ParsePKCS8PrivateKey(r.PKCS8)
	case len(r.SPKI) > 0:
		r.Key.Key, err = x509.ParsePKIXPublicKey(r.SPKI)
	case len(r.Octets) > 0:
		r.Key.Key = r.Octets
	}
	if r.KeyID != "" {
		r.Key.KeyID = r.KeyID
	}
	return err
}

func encrypt(r *request) (string, error) {
	var options *jose.EncrypterOptions
	if r.ContentType != "" {
		options = new(jose.EncrypterOptions).WithContentType(jose.ContentType(r.ContentType))
	}
	encrypter, err := jose.NewEncrypter(jose.ContentEncryption(r.Encryption),
		jose.Recipient{Algorithm: jose.KeyAlgorithm(r.Algorithm), Key: r.Key.Key, KeyID: r.Key.KeyID}, options)
	if err != nil {
		return "", err
	}
	message, err := encrypter.Encrypt([]byte(r.Text))
	if err != nil {
		return "", err
	}
	return message.CompactSerialize()
}

func decrypt(r *request) (string, error) {
	message, err := jose.ParseEncryptedCompact(r.Text, []jose.KeyAlgorithm{jose.KeyAlgorithm(r.Algorithm)}, []jose.ContentEncryption{jose.ContentEncryption(r.Encryption)})
	if err != nil {
		return "", err
	}
	plaintext, err := message.Decrypt(r.Key.Key)
	return string(plaintext), err
}

func encryptJSON(r *request) (string, error) {
	var recipients []jose.Recipient
	for _, key := range r.Keys {
		recipients = append(recipients, jose.Recipient{Algorithm: jose.KeyAlgorithm(key.Algorithm), Key: key.Key, KeyID: key.KeyID})
	}
	encrypter, err := jose.NewMultiEncrypter(jose.ContentEncryption(r.Encryption), recipients, nil)
	if err != nil {
		return "", err
	}
	data := []byte(r.AAD)
	if len(data) == 0 {
		data = nil // otherwise go-jose writes an "aad" that is empty, which RFC 7516 section 7.2.1 does not have
	}
	message, err := encrypter.EncryptWithAuthData([]byte(r.Text), data)
	if err != nil {
		return "", err
	}
	return message.FullSerialize(), nil
}

// decryptJSON decrypts for each of the keys, which must all give the same.
func decryptJSON(r *request) (string, error) {
	var algorithms []jose.KeyAlgorithm
	for _, key := range r.Keys {
		algorithms = append(algorithms, jose.KeyAlgorithm(key.Algorithm))
	}
	message, err := jose.ParseEncryptedJSON(r.Text, algorithms, []jose.ContentEncryption{jose.ContentEncryption(r.Encryption)})
	if err != nil {
		return "", err
	}
	if string(message.GetAuthData()) != r.AAD {
		return "", fmt.Errorf("other authenticated data: %q", message.GetAuthData())
	}
	text := ""
	for i, key := range r.Keys {
		_, _, plaintext, err := message.DecryptMulti(key.Key)
		if err != nil {
			return "", fmt.Errorf("%s: %w", key.Algorithm, err)
		}
		if i > 0 && text != string(plaintext) {
			return "", fmt.Errorf("%s: another plaintext", key.Algorithm)
		}
		text = string(plaintext)
	}
	return text, nil
}
