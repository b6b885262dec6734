package client

import (
	"context"
	"io"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Pause replaces how k waits between attempts.
func (k *KMS) Pause(pause func(context.Context, time.Duration) error) { k.retry.pause = pause }

// RestoreParts is Restore with parts of about size bytes.
func (k *KMS) RestoreParts(
	ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, options RestoreOptions, size int64,
) (*RestoreReport, error) {
	return k.restore(ctx, open, key, options, size)
}
