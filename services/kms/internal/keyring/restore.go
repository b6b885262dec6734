package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// RecipientLife is how long a restore recipient can be used.
	RecipientLife = 24 * time.Hour
	// PurposeRecipient is the barrier's label for keys of recipients. It never changes.
	PurposeRecipient = "kms/restore-recipient"
	// maxConflicts bounds how many conflicts a report lists.
	maxConflicts = 100
)

// RestoreRecipient is a one-shot key to which a backup is encrypted that is to be restored here.
type RestoreRecipient struct {
	Tenant     string
	ID         string // UUIDv7
	WrappedKey string // empty once it is used
	UsedFor    string // the SHA-256 of the backup that used it
	Report     string // of that restore
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

func (r RestoreRecipient) binding() barrier.Binding {
	return barrier.Binding{Tenant: r.Tenant, Purpose: PurposeRecipient, ID: r.ID}
}

// NewRecipient makes a recipient and returns it with its public JWK.
func (k *Keyring) NewRecipient(ctx context.Context, caller Caller) (RestoreRecipient, []byte, error) {
	if err := decideScope(caller, OpRestore); err != nil {
		return RestoreRecipient{}, nil, err
	}
	spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "P-384")
	if err != nil {
		return RestoreRecipient{}, nil, err
	}
	wrapper, err := k.barrier.Tenant(ctx, caller.Tenant)
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("open barrier for tenant: %w", err)
	}
	key, err := k.generator.Take(ctx, spec)
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("generate key of recipient: %w", err)
	}
	defer key.Zero()
	now := k.instant()
	r := RestoreRecipient{Tenant: caller.Tenant, CreatedAt: now, ExpiresAt: now.Add(RecipientLife)}
	if r.ID, err = newID(); err != nil {
		return RestoreRecipient{}, nil, err
	}
	private, err := key.MarshalPrivate()
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("encode key of recipient: %w", err)
	}
	defer clear(private)
	if r.WrappedKey, err = wrapper.Wrap(r.binding(), private); err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("wrap key of recipient: %w", err)
	}
	public, err := key.MarshalPublic()
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("encode key of recipient: %w", err)
	}
	if err := k.store.InsertRecipient(ctx, r); err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("store recipient: %w", err)
	}
	return r, public, nil
}

// Restore asks for the restoring of a backup.
type Restore struct {
	Recipient string // the id of the one that it is encrypted to
	Backup    []byte
	// DryRun checks everything and changes nothing.
	DryRun bool
	// Skip leaves out keys that are in the way of others; without it one of them stops the whole restore before it begins.
	Skip bool
	// FromTenant is the tenant that the backup is of, where that is not the caller's.
	FromTenant string
}

// RestoreReport is what a restore did, or would do.
type RestoreReport struct {
	DryRun    bool       `json:"dry_run"`
	Tenant    string     `json:"from_tenant"`
	Instance  string     `json:"from_instance"`
	MadeAt    string     `json:"backup_created_at"`
	Keys      int        `json:"keys"`     // in the backup
	Versions  int        `json:"versions"` // in the backup
	Restored  int        `json:"restored"` // keys
	Present   int        `json:"present"`  // keys that were restored from the same record before
	Skipped   int        `json:"skipped"`  // keys
	Conflicts []Conflict `json:"conflicts"`
}

// Conflict is why a key is not restored.
type Conflict struct {
	KeyID  string `json:"key_id"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Restore restores the keys of a backup with their ids, versions and states. It reads and checks the whole backup before it changes anything. Each
// key is one transaction, and a key that is there is never overwritten: what was cut off goes on when it is repeated.
func (k *Keyring) Restore(ctx context.Context, caller Caller, ask Restore) (RestoreReport, error) {
	if err := decideScope(caller, OpRestore); err != nil {
		return RestoreReport{}, err
	}
	if !isUUID(ask.Recipient) {
		return RestoreReport{}, errNoRecipient()
	}
	r, err := k.store.Recipient(ctx, caller.Tenant, ask.Recipient)
	if errors.Is(err, ErrNotFound) {
		return RestoreReport{}, errNoRecipient()
	}
	if err != nil {
		return RestoreReport{}, fmt.Errorf("read recipient: %w", err)
	}
	sum := sha256.Sum256(ask.Backup)
	digest := base64.RawURLEncoding.EncodeToString(sum[:])
	if r.WrappedKey == "" {
		if r.UsedFor != digest || ask.DryRun {
			return RestoreReport{}, problem.New(problem.InvalidState, "the recipient is used; make another one and encrypt the backup to it")
		}
		var report RestoreReport // the same request again is answered alike
		if err := json.Unmarshal([]byte(r.Report), &report); err != nil {
			return RestoreReport{}, fmt.Errorf("read report: %w", err)
		}
		return report, nil
	}
	if !k.instant().Before(r.ExpiresAt) {
		return RestoreReport{}, problem.New(problem.InvalidState, "the recipient has expired; make another one and encrypt the backup to it")
	}
	report, err := k.restore(ctx, caller, r, ask)
	if err != nil || ask.DryRun {
		return report, err
	}
	text, err := json.Marshal(report)
	if err != nil {
		return RestoreReport{}, fmt.Errorf("encode report: %w", err)
	}
	r.UsedFor, r.Report = digest, string(text)
	if err := k.store.UseRecipient(ctx, r); err != nil && !errors.Is(err, ErrStale) {
		return RestoreReport{}, fmt.Errorf("end recipient: %w", err)
	}
	return report, nil
}

// restore reads the backup twice: to check it, and to restore what is in it.
func (k *Keyring) restore(ctx context.Context, caller Caller, r RestoreRecipient, ask Restore) (RestoreReport, error) {
	private, err := k.barrier.Unwrap(ctx, r.binding(), r.WrappedKey)
	if err != nil {
		return RestoreReport{}, fmt.Errorf("open recipient: %w", err)
	}
	defer clear(private)
	key, err := jwk.Parse(private)
	if err != nil {
		return RestoreReport{}, fmt.Errorf("decode recipient: %w", err)
	}
	defer key.Zero()
	wrapper, err := k.barrier.Tenant(ctx, caller.Tenant)
	if err != nil {
		return RestoreReport{}, fmt.Errorf("open barrier for tenant: %w", err)
	}
	run := &restoring{ring: k, tenant: caller.Tenant, wrapper: wrapper, report: RestoreReport{Conflicts: []Conflict{}, DryRun: ask.DryRun}}
	head, err := run.pass(ctx, key, ask.Backup)
	if err != nil {
		return RestoreReport{}, err
	}
	if err := head.fits(caller.Tenant, ask.FromTenant); err != nil {
		return RestoreReport{}, err
	}
	rehearsed := run.report
	rehearsed.Tenant, rehearsed.Instance, rehearsed.MadeAt = head.Tenant, head.Instance, head.CreatedAt
	if ask.DryRun {
		return rehearsed, nil
	}
	if rehearsed.Skipped > 0 && !ask.Skip {
		return RestoreReport{}, problem.New(problem.Conflict, "%d keys of the backup are in the way of what is here; dry_run lists them, on_conflict=skip leaves them out", rehearsed.Skipped)
	}
	run.report, run.write, run.skip = RestoreReport{Conflicts: []Conflict{}}, true, ask.Skip
	if _, err := run.pass(ctx, key, ask.Backup); err != nil {
		return RestoreReport{}, err
	}
	done := run.report
	done.Tenant, done.Instance, done.MadeAt = head.Tenant, head.Instance, head.CreatedAt
	return done, nil
}

// origin is where a backup comes from.
type origin backup.Head

// fits refuses what is of another product or, unless that was asked for, of another tenant.
func (o origin) fits(tenant, asked string) error {
	switch {
	case o.Product != "kms":
		return errBackup("it is of another product")
	case asked != "" && asked != o.Tenant:
		return errBackup("it is not of the tenant that from_tenant names")
	case asked == "" && o.Tenant != tenant:
		return errBackup("it is of another tenant; from_tenant must name that for its keys to become this tenant's")
	}
	return nil
}

// restoring is one restore.
type restoring struct {
	ring    *Keyring
	tenant  string
	wrapper *barrier.Wrapper
	write   bool
	skip    bool
	report  RestoreReport
}

// pass goes through all records.
func (r *restoring) pass(ctx context.Context, key *jwk.Key, file []byte) (origin, error) {
	var refusal error
	head, _, err := backup.Open(ctx, bytes.NewReader(file), key, func(text []byte) error {
		if refusal = r.take(ctx, text); refusal != nil {
			return refusal
		}
		return nil
	})
	if refusal != nil {
		return origin{}, refusal
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return origin{}, cause
		}
		return origin{}, errBackup("it is damaged, cut, or for another recipient")
	}
	return origin(head), nil
}

// take checks one record and, in the second pass, restores it.
func (r *restoring) take(ctx context.Context, text []byte) error {
	var record keyRecord
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&record) != nil {
		return errBackup("a record in it is none of a key")
	}
	defer record.zero()
	draft, err := r.draft(record)
	if err != nil {
		return err
	}
	r.report.Keys++
	r.report.Versions += len(draft.versions)
	reason, present, err := r.obstacle(ctx, draft)
	if err == nil && reason == "" && !present && r.write {
		if err = r.store(ctx, draft); errors.Is(err, ErrNameTaken) {
			reason, err = "something of this id or name is here", nil
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("restore key %s: %w", record.ID, err)
	case present:
		r.report.Present++
	case reason != "" && r.write && !r.skip:
		return problem.New(problem.Conflict, "the key %s came to be here meanwhile; those before it are restored", record.ID)
	case reason != "":
		r.report.Skipped++
		if len(r.report.Conflicts) < maxConflicts {
			r.report.Conflicts = append(r.report.Conflicts, Conflict{KeyID: record.ID, Name: record.Name, Reason: reason})
		}
	default:
		r.report.Restored++
	}
	return nil
}

// obstacle tells what is in a key's way, or that it was restored from the same record before.
func (r *restoring) obstacle(ctx context.Context, d restoreDraft) (reason string, present bool, err error) {
	store := r.ring.store
	if _, err := store.ElasticKey(ctx, r.tenant, Ref(d.key.ID)); err == nil {
		known, err := store.RestoredDigest(ctx, r.tenant, d.key.ID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return "", false, err
		}
		if known == d.digest {
			return "", true, nil
		}
		return "a key of this id is here; it is never overwritten", false, nil
	} else if !errors.Is(err, ErrNotFound) {
		return "", false, err
	}
	if d.key.Status == ElasticDeleted {
		return "", false, nil
	}
	for _, name := range append([]string{d.key.Name}, aliasNames(d.aliases)...) {
		if _, err := store.ElasticKey(ctx, r.tenant, Ref(name)); err == nil {
			return "another key is called by one of its names", false, nil
		} else if !errors.Is(err, ErrNotFound) {
			return "", false, err
		}
	}
	return "", false, nil
}

// store stores a key with everything that belongs to it, or nothing of it.
func (r *restoring) store(ctx context.Context, d restoreDraft) error {
	return r.ring.store.InTx(ctx, func(ctx context.Context) error {
		if err := r.ring.store.RestoreKey(ctx, d.key, d.versions, d.aliases, d.digest); err != nil {
			return err
		}
		return r.ring.record(ctx, Event{Action: ActionRestore, Key: d.key})
	})
}

func aliasNames(aliases []Alias) (names []string) {
	for _, alias := range aliases {
		names = append(names, alias.Name)
	}
	return names
}

func errBackup(reason string) error {
	return problem.New("invalid_backup", "the backup cannot be restored: %s", reason)
}

func errNoRecipient() error { return problem.New(problem.NotFound, "no such recipient") }
