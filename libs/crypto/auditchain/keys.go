package auditchain

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// ParseKeys reads public checkpoint keys: a JWK Set, a single JWK, or PEM blocks of type PUBLIC KEY (RFC 7468 section 13).
func ParseKeys(text []byte) ([]*jwk.Key, error) {
	keys, err := parseKeys(bytes.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint keys: %w", err)
	}
	for _, key := range keys {
		if key.Curve() != alg.CurveEd25519 {
			return nil, errors.New("read checkpoint keys: a key is not an Ed25519 key")
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("read checkpoint keys: there is none")
	}
	return keys, nil
}

func parseKeys(text []byte) ([]*jwk.Key, error) {
	if bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return parsePEM(text)
	}
	var form struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return nil, errors.New("neither a JWK Set nor PEM")
	}
	if form.Keys == nil {
		key, err := jwk.Parse(text)
		return []*jwk.Key{key}, err
	}
	set, err := jwk.ParseSet(text)
	if err != nil {
		return nil, err
	}
	if len(set.Refused) > 0 {
		return nil, set.Refused[0].Err
	}
	return set.Keys, nil
}

func parsePEM(text []byte) ([]*jwk.Key, error) {
	var keys []*jwk.Key
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return keys, nil
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("a PEM block is %q, not PUBLIC KEY", block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, err := jwk.FromMaterial(public, jwk.Attributes{})
		if err != nil {
			return nil, err
		}
		keys, text = append(keys, key), rest
	}
}

// FindCheckpoints finds every checkpoint in a text, such as a log file, that one of the keys has signed. A line may be as long as that of an
// export.
func FindCheckpoints(text io.Reader, keys []*jwk.Key) ([]Checkpoint, error) {
	compact := regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}`) // an Ed25519 signature has 64 bytes
	lines := bufio.NewReaderSize(text, MaxLine)
	var found []Checkpoint
	for {
		line, _, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for checkpoints: %w", err)
		}
		for _, candidate := range compact.FindAll(line, -1) {
			if c, err := OpenCheckpoint(string(candidate), keys); err == nil {
				found = append(found, c)
			}
		}
	}
}
