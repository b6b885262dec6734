package keyring

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxConflicts bounds how many conflicts a report lists.
const maxConflicts = 100

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
	wait, err := k.leastWait(ctx, caller.Tenant)
	if err != nil {
		return RestoreReport{}, err
	}
	run := &restoring{ring: k, tenant: caller.Tenant, wrapper: wrapper, least: k.steady.Latest().Add(wait), report: RestoreReport{Conflicts: []Conflict{}, DryRun: ask.DryRun}}
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

func errBackup(reason string) error {
	return problem.New("invalid_backup", "the backup cannot be restored: %s", reason)
}
