package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// readFile reads a file within the bound.
func (k *Checker) readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(k.config.MaxCRL) {
		return nil, fmt.Errorf("%s has %d bytes; %s are the most", name, info.Size(), k.config.MaxCRL)
	}
	return os.ReadFile(name)
}

// openFiles refuses to start with files that are no lists.
func (k *Checker) openFiles() error {
	for _, source := range k.config.CRLs {
		if !strings.HasPrefix(source, "/") {
			continue
		}
		content, err := k.readFile(source)
		if err == nil {
			if block, _ := pem.Decode(content); block != nil {
				content = block.Bytes
			}
			_, err = x509.ParseRevocationList(content)
		}
		if err != nil {
			return fmt.Errorf("revocation list %s: %w", source, err)
		}
	}
	k.lists.files = k.digests()
	return nil
}

// Run takes over files that have changed until ctx ends.
func (k *Checker) Run(ctx context.Context) {
	tick := time.NewTicker(k.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.refreshFiles()
		}
	}
}

// refreshFiles has the lists from changed files read again when they are needed next.
func (k *Checker) refreshFiles() {
	digests := k.digests()
	k.lists.mu.Lock()
	var changed []string
	for source, digest := range digests {
		if digest != k.lists.files[source] {
			changed = append(changed, source)
		}
	}
	k.lists.files = digests
	var stale []*slot
	for key, s := range k.lists.slots {
		if slices.Contains(changed, key.source) {
			stale = append(stale, s)
		}
	}
	k.lists.mu.Unlock()
	for _, s := range stale {
		s.mu.Lock()
		s.renew = time.Time{}
		s.mu.Unlock()
	}
	if len(changed) > 0 {
		k.generation.Add(1)
		k.log.Info("revocation lists changed", "files", strings.Join(changed, " "))
	}
}

// digests covers the files of the configuration; one that cannot be read counts as empty.
func (k *Checker) digests() map[string][sha256.Size]byte {
	all := map[string][sha256.Size]byte{}
	for _, source := range k.config.CRLs {
		if strings.HasPrefix(source, "/") {
			content, _ := os.ReadFile(source) // the look-up reports what is wrong with it
			all[source] = sha256.Sum256(content)
		}
	}
	return all
}
