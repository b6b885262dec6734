package cli

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// signatureFlags say what form a signature has.
type signatureFlags struct {
	format *string
	digest *bool
}

func addSignatureFlags(cmd *cobra.Command) *signatureFlags {
	flags := &signatureFlags{
		format: cmd.Flags().String("format", string(client.SignatureFormatJWS), "jws (of the file's hash), der, p1363 or raw"),
		digest: cmd.Flags().Bool("digest", false, "with a bare format: hash here, by the key's algorithm, so that any size will do"),
	}
	clientcli.Complete(cmd, "format", formats()...)
	return flags
}

func formats() []string {
	return []string{
		string(client.SignatureFormatJWS), string(client.SignatureFormatDer),
		string(client.SignatureFormatP1363), string(client.SignatureFormatRaw),
	}
}

func (f *signatureFlags) check() error {
	if err := clientcli.OneOf("format", *f.format, formats()...); err != nil {
		return err
	}
	if f.isFileSignature() && *f.digest {
		return cli.Usage("--digest goes with --format der, p1363 or raw: a jws signs a hash in any case")
	}
	return nil
}

// isFileSignature says whether the signature is a JWS over a statement of the file.
func (f *signatureFlags) isFileSignature() bool {
	return *f.format == string(client.SignatureFormatJWS)
}

// payload reads what a bare signature signs: the content, or its digest by the hash
// of the key's algorithm.
func (f *signatureFlags) payload(ctx context.Context, kms *client.KMS, key string, from io.Reader) ([]byte, client.SignatureInput, error) {
	if !*f.digest {
		content, err := clientcli.ReadInline(from, client.MaxInline, "more than 64 KiB to sign: add --digest, or leave out --format")
		return content, client.SignatureInputMessage, err
	}
	described, err := kms.GetKey(ctx, key)
	if err != nil {
		return nil, "", err
	}
	h, err := hashOf(described.Algorithm)
	if err != nil {
		return nil, "", err
	}
	if err := copyAll(ctx, h, from); err != nil {
		return nil, "", err
	}
	return h.Sum(nil), client.SignatureInputDigest, nil
}

// hashOf returns the hash function of a JWA signature algorithm (RFC 7518 section 3).
func hashOf(algorithm string) (hash.Hash, error) {
	family, bits, _ := strings.Cut(algorithm, "S")
	if family != "E" && family != "R" && family != "P" {
		return nil, fmt.Errorf("%s signs no digest: leave out --digest", algorithm)
	}
	switch bits {
	case "256":
		return sha256.New(), nil
	case "384":
		return sha512.New384(), nil
	case "512":
		return sha512.New(), nil
	default:
		return nil, fmt.Errorf("%s signs no digest: leave out --digest", algorithm)
	}
}

// copyAll is [io.Copy] that stops with ctx.
func copyAll(ctx context.Context, to io.Writer, from io.Reader) error {
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		switch _, err := io.CopyN(to, from, 1<<20); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
	}
}
