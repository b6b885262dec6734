package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// pollInterval is how often Run looks at the file. A change must be in force within a second, reading it included.
const pollInterval = 250 * time.Millisecond

// FileRealmConfig is what a FileRealm needs.
type FileRealmConfig struct {
	// File is the YAML file.
	File string
	// Hashes verifies secrets.
	Hashes *secrethash.Registry
	// Log gets one line for every change of the file, taken over or not.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// FileRealm authenticates against a YAML file. It is safe for concurrent use.
type FileRealm struct {
	cfg FileRealmConfig
	// dummy is the hash that a secret is verified against when its entry does not exist, so that both take the same time.
	dummy   string
	current atomic.Pointer[entries]

	mu   sync.Mutex // one reload at a time
	seen []byte     // the content in force; guarded by mu
}

// entries is one state of the file. It does not change.
type entries struct {
	tenants map[string]Tenant
	byID    map[entryKey]Entry
}

type entryKey struct {
	kind       credential.Kind
	tenant, id string
}

// OpenFileRealm reads the file. An error lists everything that is wrong with it.
func OpenFileRealm(cfg FileRealmConfig) (*FileRealm, error) {
	if cfg.File == "" || cfg.Hashes == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("open file realm: File, Hashes, Log and Now are required")
	}
	nobody := make([]byte, credential.SecretSize)
	if _, err := rand.Read(nobody); err != nil {
		return nil, fmt.Errorf("open file realm: %w", err)
	}
	dummy, err := cfg.Hashes.Hash(context.Background(), nobody) // of this kind it does not wait
	if err != nil {
		return nil, fmt.Errorf("open file realm: %w", err)
	}
	realm := &FileRealm{cfg: cfg, dummy: dummy}
	if err := realm.Reload(); err != nil {
		return nil, err
	}
	return realm, nil
}

// Reload reads the file again if it has changed. After an error the realm stays as it was.
func (f *FileRealm) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := os.ReadFile(f.cfg.File)
	if err != nil {
		return fmt.Errorf("read realm: %w", err)
	}
	if f.current.Load() != nil && bytes.Equal(content, f.seen) {
		return nil
	}
	l, err := readListing(f.cfg.File, f.cfg.Hashes)
	if err != nil {
		return err
	}
	f.seen = content
	f.current.Store(l.entries())
	f.cfg.Log.Info("realm loaded", "file", f.cfg.File, "tenants", len(l.Tenants), "clients", len(l.Clients), "api_tokens", len(l.APITokens))
	return nil
}

func (l listing) entries() *entries {
	e := &entries{tenants: map[string]Tenant{}, byID: map[entryKey]Entry{}}
	for _, tenant := range l.Tenants {
		e.tenants[tenant.ID] = tenant
	}
	for _, entry := range l.Clients {
		e.byID[entryKey{credential.ClientSecret, entry.Tenant, entry.ID}] = entry
	}
	for _, entry := range l.APITokens {
		e.byID[entryKey{credential.APIToken, entry.Tenant, entry.ID}] = entry
	}
	return e
}

// Run takes over changes of the file, within a second, until ctx ends. A file that cannot be used is logged once and changes nothing.
func (f *FileRealm) Run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	logged := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		fault := ""
		if err := f.Reload(); err != nil {
			fault = err.Error()
		}
		if fault != "" && fault != logged {
			f.cfg.Log.Error("realm not reloaded; the one before stays in force", "file", f.cfg.File, "error", fault)
		}
		logged = fault
	}
}
