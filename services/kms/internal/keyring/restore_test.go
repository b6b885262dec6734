package keyring_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// target is a new recipient of a restore.
func target(t *testing.T, ring instance, tenant string) (id string, public []byte) {
	t.Helper()
	r, public, err := ring.NewRecipient(t.Context(), admin(tenant))
	require.NoError(t, err)
	return r.ID, public
}

func written(t *testing.T, b *keyring.Backup) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, b.Write(t.Context(), &file))
	return file.Bytes()
}

func backupKey(t *testing.T, ring instance, ref keyring.Ref, to []byte) []byte {
	t.Helper()
	b, err := ring.BackupKey(t.Context(), admin("a"), ref, [][]byte{to})
	require.NoError(t, err)
	return written(t, b)
}

func backupTenant(t *testing.T, ring instance, to []byte) []byte {
	t.Helper()
	b, err := ring.BackupTenant(t.Context(), admin("a"), [][]byte{to})
	require.NoError(t, err)
	return written(t, b)
}

// A key that gets versions while it is backed up is in the backup as it was at one moment.
func TestBackup_OfAKeyThatRotatesIsWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		key := create(t, ring, mustSpec(t, "A256GCM/A256KW"), "turning")
		ctx, stop := context.WithCancel(t.Context())
		var rotating sync.WaitGroup
		for range 4 {
			rotating.Go(func() {
				for ctx.Err() == nil {
					if _, err := ring.Rotate(context.WithoutCancel(ctx), admin("a"), keyring.Ref(key.ID)); err != nil && codeOf(t, err) != "conflict" {
						assert.NoError(t, err)
						return
					}
				}
			})
		}
		defer rotating.Wait()
		defer stop()
		for range 25 {
			id, public := target(t, ring, "b")
			report, err := ring.Restore(t.Context(), admin("b"), keyring.Restore{
				Recipient: id, Backup: backupKey(t, ring, keyring.Ref(key.ID), public), FromTenant: "a", DryRun: true,
			})
			require.NoError(t, err)
			require.Equal(t, 1, report.Restored)
		}
	})
}

// A backup of a tenant is not of one moment: an alias that was moved meanwhile is that of two keys. That is found before anything is restored.
func TestRestore_FindsNamesThatTwoKeysOfTheBackupHave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		first, second := create(t, ring, mustSpec(t, "A256GCM/A256KW"), "first"), create(t, ring, mustSpec(t, "A256GCM/A256KW"), "second")
		alias, err := ring.CreateAlias(t.Context(), admin("a"), "current", keyring.Ref(first.ID))
		require.NoError(t, err)
		own, err := keygen.Generate(mustSpec(t, "A256GCM/ECDH-ES+A256KW"))
		require.NoError(t, err)
		ownPublic, err := own.MarshalPublic()
		require.NoError(t, err)
		head, records := opened(t, own, backupKey(t, ring, keyring.Ref(first.ID), ownPublic))
		_, err = ring.MoveAlias(t.Context(), admin("a"), "current", alias.Revision, keyring.Ref(second.ID))
		require.NoError(t, err)
		_, later := opened(t, own, backupKey(t, ring, keyring.Ref(second.ID), ownPublic))

		id, public := target(t, ring, "b")
		to, err := jwk.Parse(public)
		require.NoError(t, err)
		var file bytes.Buffer
		require.NoError(t, backup.Write(t.Context(), &file, []*jwk.Key{to}, head, all(append(records, later...))))
		ask := keyring.Restore{Recipient: id, Backup: file.Bytes(), FromTenant: "a", DryRun: true}
		report, err := ring.Restore(t.Context(), admin("b"), ask)
		require.NoError(t, err)
		assert.Equal(t, 1, report.Restored)
		require.Len(t, report.Conflicts, 1)
		assert.Equal(t, second.ID, report.Conflicts[0].KeyID)
		assert.Contains(t, report.Conflicts[0].Reason, "of the backup")

		ask.DryRun = false
		_, err = ring.Restore(t.Context(), admin("b"), ask)
		assert.Equal(t, "conflict", codeOf(t, err))
		_, err = ring.Get(t.Context(), admin("b"), "first")
		assert.Equal(t, "not_found", codeOf(t, err), "nothing is restored")
		ask.Skip = true
		report, err = ring.Restore(t.Context(), admin("b"), ask)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 1}, []int{report.Restored, report.Skipped})
		got, err := ring.Get(t.Context(), admin("b"), "current")
		require.NoError(t, err)
		assert.Equal(t, first.ID, got.ID)
	})
}

func opened(t *testing.T, key *jwk.Key, file []byte) (head backup.Head, records [][]byte) {
	t.Helper()
	head, _, err := backup.Open(t.Context(), bytes.NewReader(file), key, func(record []byte) error {
		records = append(records, bytes.Clone(record))
		return nil
	})
	require.NoError(t, err)
	return head, records
}

func all(records [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// Who repeats a restore that still runs, because he waited too long for its answer, does nothing twice, and neither of the two fails.
func TestRestore_TwiceAtOnceIsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		const keys = 12
		for n := range keys {
			create(t, ring, mustSpec(t, "A256GCM/A256KW"), fmt.Sprintf("key-%d", n))
		}
		id, public := target(t, ring, "b")
		file := backupTenant(t, ring, public)
		var restoring sync.WaitGroup
		reports, failures := make([]keyring.RestoreReport, 4), make([]error, 4)
		for n := range reports {
			restoring.Go(func() {
				reports[n], failures[n] = ring.Restore(t.Context(), admin("b"), keyring.Restore{Recipient: id, Backup: file, FromTenant: "a"})
			})
		}
		restoring.Wait()
		for n, report := range reports {
			require.NoError(t, failures[n])
			assert.Equal(t, keys, report.Restored+report.Present)
		}
		listed, err := ring.List(t.Context(), admin("b"), keyring.KeyList{Limit: 100})
		require.NoError(t, err)
		assert.Len(t, listed, keys)
	})
}

// What was to end while the backup lay in its drawer does not end at once: who restores it has the shortest wait to keep it.
func TestRestore_GivesTimeToKeepWhatWasToEnd(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ring, ctx := instance{Keyring: h.Keyring, db: h.db, barrier: h.barrier}, t.Context()
		for _, name := range []string{"doomed", "part", "later"} {
			create(t, ring, mustSpec(t, "A256GCM/A256KW"), name)
		}
		_, err := ring.ScheduleDeletion(ctx, admin("a"), "doomed", keyring.MinWait)
		require.NoError(t, err)
		plan, err := ring.ScheduleDeletion(ctx, admin("a"), "later", keyring.MaxWait)
		require.NoError(t, err)
		_, err = ring.ScheduleDestruction(ctx, admin("a"), "part", "1", keyring.MinWait)
		require.NoError(t, err)
		own, err := keygen.Generate(mustSpec(t, "A256GCM/ECDH-ES+A256KW"))
		require.NoError(t, err)
		ownPublic, err := own.MarshalPublic()
		require.NoError(t, err)
		head, records := opened(t, own, backupTenant(t, ring, ownPublic))

		h.pass(10 * 24 * time.Hour)
		id, public := target(t, ring, "b")
		to, err := jwk.Parse(public)
		require.NoError(t, err)
		var file bytes.Buffer
		require.NoError(t, backup.Write(ctx, &file, []*jwk.Key{to}, head, all(records)))
		_, err = ring.Restore(ctx, admin("b"), keyring.Restore{Recipient: id, Backup: file.Bytes(), FromTenant: "a"})
		require.NoError(t, err)
		h.maintain(t)
		_, err = ring.Get(ctx, admin("a"), "doomed")
		assert.Equal(t, "not_found", codeOf(t, err), "where it never was away it has ended")
		doomed, err := ring.Get(ctx, admin("b"), "doomed")
		require.NoError(t, err)
		assert.Equal(t, h.wall().Add(keyring.MinWait), doomed.DeleteAt)
		_, part, err := ring.Version(ctx, admin("b"), "part", "1")
		require.NoError(t, err)
		assert.Equal(t, keyring.VersionDestroyScheduled, part.Status)
		assert.Equal(t, h.wall().Add(keyring.MinWait), part.DestroyAt)
		later, err := ring.Get(ctx, admin("b"), "later")
		require.NoError(t, err)
		assert.Equal(t, plan.At, later.DeleteAt, "a wait that is not over goes on")
		kept, err := ring.CancelDeletion(ctx, admin("b"), "doomed")
		require.NoError(t, err)
		assert.Equal(t, keyring.ElasticDisabled, kept.Status)
		h.pass(keyring.MinWait)
		h.maintain(t)
		_, part, err = ring.Version(ctx, admin("b"), "part", "1")
		require.NoError(t, err)
		assert.Equal(t, keyring.VersionDestroyed, part.Status)
	})
}
