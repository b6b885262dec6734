package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Actions of events about backups.
const (
	ActionBackup       = "key.backup"
	ActionBackupTenant = "tenant.backup"
	ActionRestore      = "key.restore"
)

// backupPage is how many rows are read at a time.
const backupPage = 200

// BackupStore is what backups and their restoring ask of a database.
type BackupStore interface {
	// EveryElasticKey reads up to limit keys of a tenant, deleted ones included, in order of id, from after the id given.
	EveryElasticKey(ctx context.Context, tenant, after string, limit int) ([]ElasticKey, error)
	// HoldElasticKey reads a key, by id, that nobody changes or gives another version before the transaction ends; ErrNotFound.
	HoldElasticKey(ctx context.Context, tenant, id string) (ElasticKey, error)
	// RestoreKey stores a key from a backup with its versions, their counts of uses, its aliases, and the digest of its record; ErrNameTaken
	// where the tenant has a key of its id, or something of one of its names.
	RestoreKey(ctx context.Context, key ElasticKey, versions []MaterialKey, aliases []Alias, digest string) error
	// RestoredDigest is what RestoreKey stored for a key; ErrNotFound.
	RestoredDigest(ctx context.Context, tenant, elasticID string) (string, error)
	// InsertRecipient stores a recipient. Recipient reads one; ErrNotFound.
	InsertRecipient(ctx context.Context, r RestoreRecipient) error
	Recipient(ctx context.Context, tenant, id string) (RestoreRecipient, error)
	// UseRecipient takes the key of an unused recipient away, and keeps what it was used for; ErrStale.
	UseRecipient(ctx context.Context, r RestoreRecipient) error
}

// Backups says where backups come from and whom they may go to.
type Backups struct {
	// Release and Instance are those of the program.
	Release, Instance string
	// Recipients are the SHA-256 thumbprints (RFC 7638) of the only keys that backups are encrypted to; none: callers name the recipients, and
	// keys with a quorum take its approval.
	Recipients []string
}

// Backup is a backup that is ready to be written.
type Backup struct {
	ring       *Keyring
	head       backup.Head
	recipients []*jwk.Key
	records    func(ctx context.Context) iter.Seq2[[]byte, error]
}

// Write writes the backup. A failure in the midst leaves what nobody can take for a whole backup.
func (b *Backup) Write(ctx context.Context, dst io.Writer) error {
	return backup.Write(ctx, dst, b.recipients, b.head, b.records(ctx))
}

// BackupKey prepares a backup of one key to recipients, which are public JWKs. Who can open the backup has the key: if its policy names a quorum,
// that must have approved, unless the recipients are those of the configuration.
func (k *Keyring) BackupKey(ctx context.Context, caller Caller, ref Ref, recipients [][]byte) (*Backup, error) {
	key, err := k.permitKey(ctx, caller, OpBackup, ref)
	if err != nil {
		return nil, err
	}
	to, thumbprints, err := k.recipients(recipients)
	if err != nil {
		return nil, err
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if len(k.backups.Recipients) == 0 || caller.Approval != "" {
			if err := k.approve(ctx, caller, ApproveBackup, key, backupParameters{thumbprints}); err != nil {
				return err
			}
		}
		return k.record(ctx, Event{Action: ActionBackup, Key: key})
	})
	if err != nil {
		return nil, fmt.Errorf("back up key: %w", err)
	}
	return &Backup{ring: k, head: k.head(caller.Tenant), recipients: to, records: func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) { yield(k.keyRecord(ctx, key)) }
	}}, nil
}

// BackupTenant prepares a backup of all keys of the caller's tenant, of those that are deleted what is left of them. A key with a quorum stands in
// the way unless the recipients are those of the configuration.
func (k *Keyring) BackupTenant(ctx context.Context, caller Caller, recipients [][]byte) (*Backup, error) {
	if err := decideScope(caller, OpBackup); err != nil {
		return nil, err
	}
	to, _, err := k.recipients(recipients)
	if err != nil {
		return nil, err
	}
	if len(k.backups.Recipients) == 0 {
		for key, err := range k.every(ctx, caller.Tenant) {
			if err != nil {
				return nil, err
			}
			if key.Policy.Quorum != nil && key.Status != ElasticDeleted {
				return nil, problem.New(problem.ApprovalRequired, "the key %s has a quorum: back it up by itself with an approval, or name backup.recipients in the configuration", key.ID)
			}
		}
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		return k.record(ctx, Event{Action: ActionBackupTenant, Key: ElasticKey{Tenant: caller.Tenant}})
	})
	if err != nil {
		return nil, fmt.Errorf("back up tenant: %w", err)
	}
	return &Backup{ring: k, head: k.head(caller.Tenant), recipients: to, records: func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for key, err := range k.every(ctx, caller.Tenant) {
				if err == nil && key.Policy.Quorum != nil && len(k.backups.Recipients) == 0 && key.Status != ElasticDeleted {
					err = errors.New("a key got a quorum meanwhile")
				}
				var record []byte
				if err == nil {
					record, err = k.keyRecord(ctx, key)
				}
				if !yield(record, err) || err != nil {
					return
				}
				clear(record)
			}
		}
	}}, nil
}

// every goes through all keys of a tenant.
func (k *Keyring) every(ctx context.Context, tenant string) iter.Seq2[ElasticKey, error] {
	return func(yield func(ElasticKey, error) bool) {
		for after := ""; ; {
			keys, err := k.store.EveryElasticKey(ctx, tenant, after, backupPage)
			if err != nil {
				yield(ElasticKey{}, fmt.Errorf("list keys: %w", err))
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
				after = key.ID
			}
			if len(keys) < backupPage {
				return
			}
		}
	}
}

// recipients reads the JWKs of those who can open a backup, and gives their thumbprints in order.
func (k *Keyring) recipients(texts [][]byte) (keys []*jwk.Key, thumbprints []string, err error) {
	if len(texts) == 0 || len(texts) > backup.MaxRecipients {
		return nil, nil, invalidMember("/recipients", "from 1 to %d", backup.MaxRecipients)
	}
	for _, text := range texts {
		key, err := jwk.Parse(text)
		if err != nil {
			return nil, nil, invalidMember("/recipients", "each is a public JWK")
		}
		if key.IsPrivate() || backup.CheckRecipient(key) != nil {
			return nil, nil, invalidMember("/recipients", "%s; private keys stay where they are", backup.ErrRecipient.Error())
		}
		thumbprint := key.ThumbprintSHA256()
		if len(k.backups.Recipients) > 0 && !slices.Contains(k.backups.Recipients, thumbprint) {
			return nil, nil, problem.New("policy_refused", "the configuration names other recipients of backups")
		}
		if slices.Contains(thumbprints, thumbprint) {
			return nil, nil, invalidMember("/recipients", "one stands there twice")
		}
		keys, thumbprints = append(keys, key), append(thumbprints, thumbprint)
	}
	slices.Sort(thumbprints)
	return keys, thumbprints, nil
}

func (k *Keyring) head(tenant string) backup.Head {
	return backup.Head{
		Product: "kms", Release: k.backups.Release, Instance: k.backups.Instance, Tenant: tenant, CreatedAt: k.instant().Format("2006-01-02T15:04:05.000000Z"),
	}
}

// keyRecord is everything about a key as JSON. The key and its versions are of one moment.
func (k *Keyring) keyRecord(ctx context.Context, listed ElasticKey) ([]byte, error) {
	var key ElasticKey
	var versions []MaterialKey
	var aliases []Alias
	err := k.store.InTx(ctx, func(ctx context.Context) (err error) {
		versions = versions[:0]
		if key, err = k.store.HoldElasticKey(ctx, listed.Tenant, listed.ID); err != nil {
			return err
		}
		for below := int64(0); ; {
			page, err := k.store.MaterialKeys(ctx, key.Tenant, key.ID, below, backupPage)
			if err != nil {
				return err
			}
			versions = append(versions, page...)
			if len(page) < backupPage {
				break
			}
			below = page[len(page)-1].Version
		}
		aliases, err = k.store.Aliases(ctx, key.Tenant, key.ID, "", maxAliases)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", listed.ID, err)
	}
	record := recordOf(key, aliases)
	defer func() { record.zero() }()
	for _, version := range slices.Backward(versions) {
		one := versionOf(version)
		if version.WrappedKey != "" {
			material, err := k.open(ctx, pinned(key, version))
			if err != nil {
				return nil, err
			}
			one.JWK, err = version.encode(material)
			material.Zero()
			if err != nil {
				return nil, fmt.Errorf("encode version %d of key %s: %w", version.Version, key.ID, err)
			}
		}
		record.Versions = append(record.Versions, one)
	}
	text, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", key.ID, err)
	}
	return text, nil
}
