package auditchain

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

const (
	// CheckpointType is the "typ" of a signed checkpoint, which keeps it from passing for another token (RFC 8725 section 3.11).
	CheckpointType = "cu-audit-checkpoint+jws"
	// signatureAlgorithm is RFC 8032's Ed25519 under its name of RFC 9864.
	signatureAlgorithm = "Ed25519"
	// timeLayout has microseconds, always six digits, in UTC.
	timeLayout = "2006-01-02T15:04:05.000000Z07:00"
)

// Checkpoint states what a chain was at a moment.
type Checkpoint struct {
	// Service names the service that keeps the chain, Chain the tenant.
	Service, Chain string
	// Seq and Hash are those of the newest event.
	Seq  int64
	Hash Hash
	// First is the number of the oldest event that is kept: 1, or more once retention has cut the chain.
	First int64
	// Time is when it was signed, in microseconds.
	Time time.Time
}

// payload is a checkpoint as it is signed.
type payload struct {
	Service string `json:"service"`
	Chain   string `json:"chain"`
	Seq     int64  `json:"seq"`
	Hash    string `json:"hash"`
	First   int64  `json:"first"`
	Time    string `json:"time"`
}

// Sign signs the checkpoint with an Ed25519 key and returns the compact serialization. The "kid" is the key's thumbprint (RFC 7638).
func (c Checkpoint) Sign(key *jwk.Key) (string, error) {
	text, err := json.Marshal(payload{c.Service, c.Chain, c.Seq, c.Hash.String(), c.First, c.Time.UTC().Format(timeLayout)})
	if err != nil {
		return "", fmt.Errorf("sign checkpoint: %w", err)
	}
	header := jws.Header{Algorithm: signatureAlgorithm, KeyID: key.ThumbprintSHA256(), Type: CheckpointType}
	compact, err := jws.Sign(key, header, text)
	if err != nil {
		return "", fmt.Errorf("sign checkpoint: %w", err)
	}
	return compact, nil
}

// OpenCheckpoint verifies a signed checkpoint with that one of the keys that it names.
func OpenCheckpoint(compact string, keys []*jwk.Key) (Checkpoint, error) {
	header, err := jws.ParseHeader(compact)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	for _, key := range keys {
		if key.ThumbprintSHA256() != header.KeyID {
			continue
		}
		text, _, err := jws.Verify(key, compact, jws.Expect{Algorithm: signatureAlgorithm, Type: CheckpointType})
		if err != nil {
			return Checkpoint{}, fmt.Errorf("verify checkpoint: %w", err)
		}
		return parseCheckpoint(text)
	}
	return Checkpoint{}, fmt.Errorf("verify checkpoint: its key %q is not among the given ones", header.KeyID)
}

func parseCheckpoint(text []byte) (Checkpoint, error) {
	var p payload
	if err := json.Unmarshal(text, &p); err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	hash, err := ParseHash(p.Hash)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, p.Time)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	if p.Chain == "" || p.First < 1 || p.Seq < p.First-1 {
		return Checkpoint{}, errors.New("read checkpoint: it names no chain, or impossible numbers")
	}
	return Checkpoint{p.Service, p.Chain, p.Seq, hash, p.First, at.UTC()}, nil
}
