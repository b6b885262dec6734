// Package backup is the container of backups: records, encrypted to those who may open them. [Write] makes one from a stream, [Open] reads it,
// and [Reseal] opens one and encrypts it to somebody else, in parts if need be, without knowing what the records are.
//
// # Format
//
// A backup is a file of format [envelope.Backup]. Its header has the data key as a compact JWE for each recipient (ECDH-ES+A256KW or
// RSA-OAEP-256 with A256GCM, typ cu-backup+key), and its plaintext is lines of JSON: a [Head], a record on each line, and last a
// [Manifest] with the number of records and the SHA-256 of every byte before it. What is cut, changed, moved or continued does not open;
// the manifest tells in addition that who wrote it had come to the end.
//
// A backup is not signed: whoever has a recipient's public key can make one. Who takes records from it must trust who brings it.
package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

const (
	// MaxRecipients is how many may open one backup: as many JWEs as the envelope's header has room for.
	MaxRecipients = 8
	// MaxRecord is the longest record, in bytes: a key with thousands of versions.
	MaxRecord = 32 << 20

	version     = "cryptoutil-backup/1"
	keyType     = "cu-backup+key"
	minRSA      = 3072 // bits; a backup is kept for years (NIST SP 800-57 part 1, table 2: 128 bits of strength)
	contentEnc  = "A256GCM"
	agreement   = "ECDH-ES+A256KW"
	transport   = "RSA-OAEP-256"
	contextName = "ctx"
)

// Head says where a backup comes from.
type Head struct {
	Format    string `json:"format"` // set by Write
	Product   string `json:"product"`
	Release   string `json:"release"`  // of the program that made it
	Instance  string `json:"instance"` // that it was made by
	Tenant    string `json:"tenant"`
	CreatedAt string `json:"created_at"` // RFC 3339, UTC
}

// Manifest ends a backup.
type Manifest struct {
	Records int    `json:"records"`
	SHA256  string `json:"sha256"` // of all that stands before, base64url
}

// Errors of backups. Those of package envelope and jwe.ErrDecryption say that a file is damaged or for somebody else.
var (
	// ErrIncomplete: the content is not what its manifest says.
	ErrIncomplete = errors.New("the backup is not whole: its content and its manifest do not agree")
	// ErrFormat: the content is no backup.
	ErrFormat = errors.New("not a backup that this version reads")
	// ErrRecipient: a key that backups are not encrypted to.
	ErrRecipient = errors.New("recipients are public EC keys, or RSA keys of at least 3072 bits, for encryption")
)

// CheckRecipient tells whether backups can be encrypted to a key.
func CheckRecipient(key *jwk.Key) error {
	_, err := algorithmOf(key)
	return err
}

// algorithmOf is the one by which the data key is encrypted to a key.
func algorithmOf(key *jwk.Key) (string, error) {
	var algorithm string
	switch {
	case key.Type() == alg.KeyTypeEC:
		algorithm = agreement
	case key.Type() == alg.KeyTypeRSA && key.Size() >= minRSA:
		algorithm = transport
	default:
		return "", ErrRecipient
	}
	management, err := alg.LookupKeyManagement(algorithm)
	if err != nil {
		return "", err
	}
	if key.Algorithm != "" && key.Algorithm != algorithm || key.FitsKeyManagement(management) != nil {
		return "", ErrRecipient
	}
	return algorithm, nil
}

// Write writes a backup of the records, which are JSON, to the recipients. It keeps no record longer than it takes to write it.
func Write(ctx context.Context, dst io.Writer, recipients []*jwk.Key, head Head, records iter.Seq2[[]byte, error]) error {
	if len(recipients) == 0 || len(recipients) > MaxRecipients {
		return fmt.Errorf("write backup: %w", fmt.Errorf("there must be 1 to %d recipients", MaxRecipients))
	}
	reader, writer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = writer.CloseWithError(content(writer, head, records)) // never fails
	}()
	err := envelope.Backup.Encrypt(ctx, dst, reader, func(_ context.Context, dataKey []byte, context map[string]string) (string, error) {
		return wrap(recipients, dataKey, context)
	})
	_ = reader.CloseWithError(errors.New("nobody takes the backup any more")) // never fails
	<-done
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// content writes the plaintext.
func content(dst io.Writer, head Head, records iter.Seq2[[]byte, error]) error {
	digest := sha256.New()
	buffered := bufio.NewWriterSize(dst, envelope.ChunkSize)
	both := io.MultiWriter(buffered, digest)
	head.Format = version
	if err := line(both, head); err != nil {
		return err
	}
	manifest := Manifest{}
	for record, err := range records {
		if err != nil {
			return err
		}
		if len(record) > MaxRecord || !json.Valid(record) || strings.ContainsAny(string(record), "\n") {
			return errors.New("a record is too long or no JSON on one line")
		}
		if _, err := both.Write(append(record, '\n')); err != nil {
			return err
		}
		manifest.Records++
	}
	manifest.SHA256 = base64.RawURLEncoding.EncodeToString(digest.Sum(nil))
	if err := line(buffered, manifest); err != nil {
		return err
	}
	return buffered.Flush()
}

func line(dst io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = dst.Write(append(text, '\n'))
	return err
}

// wrap encrypts the data key to every recipient.
func wrap(recipients []*jwk.Key, dataKey []byte, context map[string]string) (string, error) {
	parts := make([]string, 0, len(recipients))
	for _, key := range recipients {
		algorithm, err := algorithmOf(key)
		if err != nil {
			return "", err
		}
		part, err := jwe.Encrypt(key, jwe.Header{
			Algorithm: algorithm, Encryption: contentEnc, KeyID: key.ThumbprintSHA256(), Type: keyType,
			Extra: map[string]any{contextName: context[envelope.ContextName]},
		}, dataKey)
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "~"), nil
}
