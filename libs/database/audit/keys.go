package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	kindMAC       = "mac"
	kindSignature = "signature"
	// keySize is that of HMAC-SHA-256's output (RFC 2104 section 3) and of an Ed25519 seed (RFC 8032 section 5.1.5).
	keySize = 32
)

// ErrKeysLost says that the table audit_keys is empty although there are chains: with new keys nobody could tell them from forgeries.
var ErrKeysLost = errors.New("audit keys are lost: restore the table audit_keys from a backup")

// keyring holds the log's keys while the barrier is unsealed.
type keyring struct {
	db      *database.DB
	barrier *barrier.Barrier
	now     func() time.Time

	mu   sync.Mutex
	open *openKeys // guarded by mu; nil while not loaded
}

type openKeys struct {
	mac     []byte
	sign    *jwk.Key   // the newest
	publics []*jwk.Key // all

	users   int  // guarded by keyring.mu
	dropped bool // guarded by keyring.mu; the last user overwrites the keys
}

func (k *openKeys) zero() {
	clear(k.mac)
	k.sign.Zero()
}

// use runs fn with the keys, which it must not keep. While the barrier is sealed the error is barrier.ErrSealed. No lock is held while fn
// runs, so it may use the database.
func (r *keyring) use(ctx context.Context, fn func(*openKeys) error) error {
	if r.forgetIfSealed() {
		return barrier.ErrSealed
	}
	k := r.acquire()
	if k == nil {
		if err := r.load(ctx); err != nil {
			return err
		}
		if k = r.acquire(); k == nil {
			return barrier.ErrSealed // a moment ago
		}
	}
	defer r.release(k)
	return fn(k)
}

// ifReady is use for keys that are in memory; without them it does nothing and returns false.
func (r *keyring) ifReady(fn func(*openKeys)) bool {
	if r.forgetIfSealed() {
		return false
	}
	k := r.acquire()
	if k == nil {
		return false
	}
	defer r.release(k)
	fn(k)
	return true
}

// ready tells whether use would find the keys in memory.
func (r *keyring) ready() bool { return r.ifReady(func(*openKeys) {}) }

func (r *keyring) acquire() *openKeys {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != nil {
		r.open.users++
	}
	return r.open
}

func (r *keyring) release(k *openKeys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k.users--; k.users == 0 && k.dropped {
		k.zero()
	}
}

// forgetIfSealed drops the keys once the barrier is sealed.
func (r *keyring) forgetIfSealed() bool {
	if !r.barrier.Sealed() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != nil {
		if r.open.dropped = true; r.open.users == 0 {
			r.open.zero()
		}
		r.open = nil
	}
	return true
}

// load reads the keys; it may run inside a transaction.
func (r *keyring) load(ctx context.Context) error {
	loaded, err := r.read(ctx)
	if err != nil {
		return fmt.Errorf("open audit keys: %w", err)
	}
	if loaded == nil {
		return &Error{code: "state_unavailable", text: "the audit keys are not made yet"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.barrier.Sealed() || r.open != nil {
		loaded.zero()
		return nil
	}
	r.open = loaded
	return nil
}

// read returns nil when there are none.
func (r *keyring) read(ctx context.Context) (keys *openKeys, err error) {
	rows, err := r.rows(ctx)
	if err != nil {
		return nil, err
	}
	keys = &openKeys{}
	for _, row := range rows {
		secret, err := r.barrier.Unwrap(ctx, row.binding(), row.jwe)
		if err != nil {
			return nil, err
		}
		if row.kind == kindMAC {
			keys.mac = secret
			continue
		}
		if len(secret) != ed25519.SeedSize {
			return nil, errors.New("the signature key has another length")
		}
		key, err := jwk.FromMaterial(ed25519.NewKeyFromSeed(secret), jwk.Attributes{Use: jwk.UseSignature, Algorithm: "Ed25519"})
		clear(secret)
		if err != nil {
			return nil, err
		}
		key.ID = key.ThumbprintSHA256()
		public, err := key.Public()
		if err != nil {
			return nil, err
		}
		keys.sign, keys.publics = key, append(keys.publics, public)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if keys.mac == nil || keys.sign == nil {
		return nil, ErrKeysLost
	}
	return keys, nil
}

type keyRow struct {
	kind    string
	version int64
	id, jwe string
}

func (r *keyring) rows(ctx context.Context) (keys []keyRow, err error) {
	rows, err := r.db.Query(ctx, "SELECT kind, version, id, jwe FROM audit_keys ORDER BY kind, version")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k keyRow
		if err := rows.Scan(&k.kind, &k.version, &k.id, &k.jwe); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// make makes the first keys, unless there are some.
func (r *keyring) make(ctx context.Context) error {
	wrapper, err := r.barrier.Tenant(ctx, System)
	if err != nil {
		return err
	}
	var made []keyRow
	for _, kind := range []string{kindMAC, kindSignature} {
		k, err := newKeyRow(wrapper, kind)
		if err != nil {
			return err
		}
		made = append(made, k)
	}
	return r.db.InTx(database.WithTenant(ctx, database.AllTenants), func(ctx context.Context) error {
		var keys, chains int
		err := r.db.QueryRow(ctx, "SELECT (SELECT count(*) FROM audit_keys), (SELECT count(*) FROM audit_chains)").Scan(&keys, &chains)
		if err != nil || keys > 0 {
			return err
		}
		if chains > 0 {
			return ErrKeysLost
		}
		for _, k := range made {
			_, err := r.db.Exec(ctx, `INSERT INTO audit_keys (kind, version, id, jwe, created_at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (kind, version) DO NOTHING`, k.kind, k.version, k.id, k.jwe, database.Micros(r.now()))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func newKeyRow(wrapper *barrier.Wrapper, kind string) (keyRow, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return keyRow{}, err
	}
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	defer clear(secret)
	k := keyRow{kind: kind, version: 1, id: id.String()}
	k.jwe, err = wrapper.Wrap(k.binding(), secret)
	return k, err
}
