// Program peer encrypts and decrypts with an independent library, for the tests that compare it with
// ours. It reads requests from standard input, one JSON object per line, and answers each with one.
// The library's AES-GCM does not run under FIPS 140-3 enforcement, so the tests start this program
// with GODEBUG=fips140=off; nothing else may do so.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-jose/go-jose/v4"
)

type request struct {
	Operation  string          `json:"operation"` // encrypt or decrypt
	Algorithm  string          `json:"algorithm"`
	Encryption string          `json:"encryption"`
	Key        jose.JSONWebKey `json:"key"`
	Text       string          `json:"text"` // plaintext or compact serialization
}

type answer struct {
	Text  string `json:"text"`
	Error string `json:"error"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var result answer
		text, err := serve(lines.Bytes())
		if result.Text = text; err != nil {
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
	if r.Operation == "encrypt" {
		encrypter, err := jose.NewEncrypter(jose.ContentEncryption(r.Encryption),
			jose.Recipient{Algorithm: jose.KeyAlgorithm(r.Algorithm), Key: r.Key.Key, KeyID: r.Key.KeyID}, nil)
		if err != nil {
			return "", err
		}
		message, err := encrypter.Encrypt([]byte(r.Text))
		if err != nil {
			return "", err
		}
		return message.CompactSerialize()
	}
	message, err := jose.ParseEncryptedCompact(r.Text, []jose.KeyAlgorithm{jose.KeyAlgorithm(r.Algorithm)}, []jose.ContentEncryption{jose.ContentEncryption(r.Encryption)})
	if err != nil {
		return "", err
	}
	plaintext, err := message.Decrypt(r.Key.Key)
	return string(plaintext), err
}
