package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Open reads a backup with the private key of a recipient and gives each record to each, which must not keep it. Records come before it is known
// that the backup is whole: what was done with them must be undone, or must not matter, when Open fails.
func Open(ctx context.Context, src io.Reader, key *jwk.Key, each func(record []byte) error) (Head, Manifest, error) {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := envelope.Backup.Decrypt(ctx, writer, src, func(_ context.Context, header string, context map[string]string) ([]byte, error) {
			return unwrap(key, header, context)
		})
		_ = writer.CloseWithError(err) // never fails
		done <- err
	}()
	head, manifest, err := read(reader, each)
	_ = reader.CloseWithError(errStopped) // never fails
	if failed := <-done; failed != nil && !errors.Is(failed, errStopped) {
		err = failed // it is the cause, whatever the reader made of it
	}
	if err != nil {
		return Head{}, Manifest{}, fmt.Errorf("open backup: %w", err)
	}
	return head, manifest, nil
}

var errStopped = errors.New("the reader has stopped")

// unwrap opens the data key that is for this key.
func unwrap(key *jwk.Key, header string, context map[string]string) ([]byte, error) {
	algorithm, err := algorithmOf(key)
	if err != nil {
		return nil, err
	}
	for _, part := range strings.Split(header, "~") {
		named, err := jwe.ParseHeader(part)
		if err != nil || named.KeyID != key.ThumbprintSHA256() {
			continue
		}
		own := *key
		own.ID = named.KeyID
		dataKey, opened, err := jwe.Decrypt(&own, part, jwe.Expect{Algorithm: algorithm, Encryption: contentEnc})
		if err != nil {
			return nil, err
		}
		if of, _ := opened.Extra[contextName].(string); opened.Type != keyType || of != context[envelope.ContextName] {
			clear(dataKey)
			return nil, jwe.ErrDecryption
		}
		return dataKey, nil
	}
	return nil, fmt.Errorf("it is for other recipients: %w", jwe.ErrDecryption)
}

// read reads the plaintext to its end.
func read(src io.Reader, each func(record []byte) error) (head Head, manifest Manifest, err error) {
	lines := bufio.NewReaderSize(src, envelope.ChunkSize)
	digest := sha256.New()
	first, err := next(lines)
	if err != nil {
		return Head{}, Manifest{}, err
	}
	if json.Unmarshal(first, &head) != nil || head.Format != version {
		return Head{}, Manifest{}, ErrFormat
	}
	_, _ = digest.Write(first) // never fails
	last, err := next(lines)
	if err != nil {
		return Head{}, Manifest{}, err
	}
	defer func() { clear(last) }()
	for count := 0; ; count++ {
		following, err := next(lines)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			decoder := json.NewDecoder(bytes.NewReader(last))
			decoder.DisallowUnknownFields()
			if decoder.Decode(&manifest) != nil || manifest.Records != count || manifest.SHA256 != base64.RawURLEncoding.EncodeToString(digest.Sum(nil)) {
				return Head{}, Manifest{}, ErrIncomplete
			}
			return head, manifest, nil
		}
		if err != nil {
			return Head{}, Manifest{}, err
		}
		_, _ = digest.Write(last) // never fails
		if err := each(bytes.TrimSuffix(last, []byte("\n"))); err != nil {
			clear(following)
			return Head{}, Manifest{}, err
		}
		clear(last)
		last = following
	}
}

// next reads a line with its end; io.ErrUnexpectedEOF at the end of all lines.
func next(lines *bufio.Reader) ([]byte, error) {
	var whole []byte
	for {
		part, err := lines.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case err == nil:
			return whole, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(whole) <= MaxRecord:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, ErrFormat
		case errors.Is(err, io.EOF) && len(whole) == 0:
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return nil, ErrIncomplete
		default:
			return nil, err
		}
	}
}
