package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	// least is the earliest end of what waits for its end.
	least  time.Time
	report RestoreReport
	names  map[string]string // that keys of this pass have, with their ids
}

// pass goes through all records.
func (r *restoring) pass(ctx context.Context, key *jwk.Key, file []byte) (origin, error) {
	r.names = map[string]string{}
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
	reason, present, err := r.bring(ctx, draft)
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
		for _, name := range draft.names() {
			r.names[name] = draft.key.ID
		}
	}
	return nil
}

// bring stores a key in the second pass, unless something is in its way. Another restore of the same backup may be at it, or a caller: what is
// here after that is looked at again.
func (r *restoring) bring(ctx context.Context, d restoreDraft) (reason string, present bool, err error) {
	const looks = 3
	for range looks {
		reason, present, err = r.obstacle(ctx, d)
		if err != nil || reason != "" || present || !r.write {
			return reason, present, err
		}
		if err = r.store(ctx, d); !errors.Is(err, ErrNameTaken) {
			return "", false, err
		}
	}
	return "something of its ids or names is here", false, nil
}

// obstacle tells what is in a key's way, or that it was restored from the same record before.
func (r *restoring) obstacle(ctx context.Context, d restoreDraft) (reason string, present bool, err error) {
	found, err := r.ring.store.ElasticKey(ctx, r.tenant, Ref(d.key.ID))
	switch {
	case err == nil:
		return r.known(ctx, d, found)
	case !errors.Is(err, ErrNotFound):
		return "", false, err
	}
	for _, name := range d.names() {
		if id, taken := r.names[name]; taken && id != d.key.ID {
			return "another key of the backup is called by one of its names", false, nil
		}
		found, err := r.ring.store.ElasticKey(ctx, r.tenant, Ref(name))
		switch {
		case err == nil && found.ID == d.key.ID: // it came to be here just now
			return r.known(ctx, d, found)
		case err == nil:
			return "another key is called by one of its names", false, nil
		case !errors.Is(err, ErrNotFound):
			return "", false, err
		}
	}
	return "", false, nil
}

// known tells whether the key of this id that was found here was restored from the same record. One that was deleted since does not come back.
func (r *restoring) known(ctx context.Context, d restoreDraft, found ElasticKey) (reason string, present bool, err error) {
	if found.Status == ElasticDeleted && d.key.Status != ElasticDeleted {
		return "a key of this id was deleted here", false, nil
	}
	digest, err := r.ring.store.RestoredDigest(ctx, r.tenant, d.key.ID)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return "", false, err
	case err == nil && digest == d.digest:
		return "", true, nil
	default:
		return "a key of this id is here; it is never overwritten", false, nil
	}
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
