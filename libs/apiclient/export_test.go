package apiclient

import (
	"context"
	"time"
)

// Pause replaces how c waits between attempts.
func (c *Caller) Pause(pause func(context.Context, time.Duration) error) { c.retry.pause = pause }
