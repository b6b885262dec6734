package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

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
