package service

import (
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// watchInterval is how often the configuration file is looked at.
const watchInterval = time.Second

// watch sends whenever the content of a file has changed, until ctx ends. Contents count, not times: symbolic links are swapped, and copies
// keep times. A file that is away for a moment has not changed.
func watch(ctx context.Context, file string) <-chan struct{} {
	changed := make(chan struct{})
	if file == "" {
		return changed
	}
	go func() {
		seen, _ := digest(file)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now, err := digest(file)
			if err != nil || now == seen {
				continue
			}
			seen = now
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changed
}

func digest(file string) ([sha256.Size]byte, error) {
	text, err := os.ReadFile(file)
	return sha256.Sum256(text), err
}
