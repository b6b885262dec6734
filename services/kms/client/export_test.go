package client

import (
	"context"
	"time"
)

// Pause replaces how k waits between attempts.
func (k *KMS) Pause(pause func(context.Context, time.Duration) error) { k.retry.pause = pause }
