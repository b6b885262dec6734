package client

import (
	"context"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// RestoreParts is Restore with parts of about size bytes.
func (k *KMS) RestoreParts(
	ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, options RestoreOptions, size int64,
) (*RestoreReport, error) {
	return k.restore(ctx, open, key, options, size)
}
