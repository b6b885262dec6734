package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// pollInterval is how often Run looks at the file. A change must be in force within a second, reading it included.
const pollInterval = 250 * time.Millisecond

// FileRealmName is the file realm's name in a principal.
const FileRealmName = "file"

// FileRealmConfig is what a FileRealm needs.
type FileRealmConfig struct {
	// File is the YAML file.
	File string
	// Hashes verifies machine secrets: the registry of kind high entropy random.
	Hashes *secrethash.Registry
	// Passwords verifies passwords: the registry of kind low entropy random. Without it the file cannot list users.
	Passwords *secrethash.Registry
	// Roles are the roles that entries can name; see BuiltInRoles.
	Roles []Role
	// Log gets one line for every change of the file, taken over or not.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// FileRealm knows the tenants, users, clients and API tokens of a YAML file, and needs no database. It is safe for concurrent use.
type FileRealm struct {
	cfg     FileRealmConfig
	gate    *Gate
	current atomic.Pointer[entries]

	mu   sync.Mutex // one reload at a time
	seen []byte     // the content in force; guarded by mu
}

var (
	_ Realm                = (*FileRealm)(nil)
	_ server.Authenticator = (*FileRealm)(nil)
)

// OpenFileRealm reads the file. An error lists everything that is wrong with it.
func OpenFileRealm(cfg FileRealmConfig) (*FileRealm, error) {
	if cfg.File == "" || cfg.Hashes == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("open file realm: File, Hashes, Log and Now are required")
	}
	realm := &FileRealm{cfg: cfg}
	if err := realm.Reload(); err != nil {
		return nil, err
	}
	gate, err := New(Config{Realms: []Realm{realm}, Secrets: cfg.Hashes, Log: cfg.Log, Now: cfg.Now})
	if err != nil {
		return nil, fmt.Errorf("open file realm: %w", err)
	}
	realm.gate = gate
	return realm, nil
}

// Authenticate implements server.Authenticator for a service whose only realm this is.
func (f *FileRealm) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	return f.gate.Authenticate(ctx, r)
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
	l, err := f.cfg.reader().read(f.cfg.File)
	if err != nil {
		return err
	}
	f.seen = content
	f.current.Store(l.entries(f.cfg.Roles))
	f.cfg.Log.Info("realm loaded", "file", f.cfg.File, "tenants", len(l.Tenants), "users", len(l.Users), "clients", len(l.Clients),
		"api_tokens", len(l.APITokens))
	return nil
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

// Tenants returns the ids of the tenants that the file lists, for the registry of tenants to import.
func (f *FileRealm) Tenants() []string {
	state := f.current.Load()
	ids := make([]string, 0, len(state.tenants))
	for id := range state.tenants {
		ids = append(ids, id)
	}
	return ids
}
