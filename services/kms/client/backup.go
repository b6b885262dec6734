package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

const (
	// restoreTimeout bounds a restore: the service seals every version anew before it answers.
	restoreTimeout = 15 * time.Minute
	// partSize is about how many bytes of records go into one restore: the service takes 64 MiB, encrypted.
	partSize = 32 << 20
)

// BackupKey writes a backup of a key with all its versions to dst, encrypted to the recipients, which are public JWKs: whoever holds a recipient's
// private key has the key. It takes a fresh authentication, and the id of an approval of "backupElasticKey" where the key has a quorum and
// the service's configuration does not name the recipients. What dst has got must be thrown away when there is an error.
func (k *KMS) BackupKey(ctx context.Context, key, approved string, recipients []json.RawMessage, dst io.Writer) error {
	if err := apiclient.CheckRef(key); err != nil {
		return err
	}
	return apiclient.Download(ctx, k.caller, fmt.Sprintf("back up key %q", key), dst, func(ctx context.Context) (*http.Response, error) {
		return k.api.BackupElasticKey(ctx, key, &BackupElasticKeyParams{Approval: apiclient.Given(approved)}, NewBackup{Recipients: recipients})
	})
}

// BackupTenant is [KMS.BackupKey] for all keys of the caller's tenant.
func (k *KMS) BackupTenant(ctx context.Context, recipients []json.RawMessage, dst io.Writer) error {
	return apiclient.Download(ctx, k.caller, "back up the tenant", dst, func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateBackup(ctx, NewBackup{Recipients: recipients})
	})
}

// CreateRestoreRecipient makes a key in the service that a backup is encrypted to for one restore within 24 hours. [KMS.Restore] does that by
// itself.
func (k *KMS) CreateRestoreRecipient(ctx context.Context) (*RestoreRecipient, error) {
	once := apiclient.IdempotencyKey()
	return call[RestoreRecipient](ctx, k, "create restore recipient", func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateRestoreRecipient(ctx, &CreateRestoreRecipientParams{IdempotencyKey: &once})
	})
}

// RestoreOptions say how a backup is restored. The zero value restores it into the tenant that it is of, if nothing is in its way.
type RestoreOptions struct {
	// DryRun reads, decrypts and checks everything, and changes nothing: a rehearsal.
	DryRun bool
	// Skip leaves out keys in whose way something is. Otherwise nothing is restored where there is one.
	Skip bool
	// FromTenant is the tenant that the backup is of, to restore its keys into another one, the caller's.
	FromTenant string
}

// RestoreSealed restores a backup that is encrypted to a recipient of the service. The same backup may be sent again: what it brought
// is then reported as before.
func (k *KMS) RestoreSealed(ctx context.Context, recipient string, sealed []byte, options RestoreOptions) (*RestoreReport, error) {
	params := RestoreBackupParams{Recipient: recipient, DryRun: apiclient.Given(options.DryRun), FromTenant: apiclient.Given(options.FromTenant)}
	if options.Skip {
		params.OnConflict = new(RestoreBackupParamsOnConflict("skip"))
	}
	return apiclient.Call[RestoreReport](ctx, k.caller.Patient(restoreTimeout), "restore", func(ctx context.Context) (*http.Response, error) {
		return k.api.RestoreBackupWithBody(ctx, &params, "application/octet-stream", bytes.NewReader(sealed))
	})
}

// Restore restores a backup, or rehearses that. It opens the backup here, with a recipient's private key, which stays here, and encrypts it to
// recipients of the service, in parts if it is large. open returns the backup from its beginning; it is called twice, for the backup
// is read and found whole before the service is asked for anything. A restore that fails on the way goes on when it is repeated.
func (k *KMS) Restore(ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, options RestoreOptions) (*RestoreReport, error) {
	return k.restore(ctx, open, key, options, partSize)
}

func (k *KMS) restore(ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, options RestoreOptions, size int64) (*RestoreReport, error) {
	total := RestoreReport{DryRun: options.DryRun, Conflicts: []RestoreConflict{}}
	var refused error // by the service
	head, _, err := backup.Reseal(ctx, open, key, size, func(int, backup.Head) (backup.Part, error) {
		recipient, err := k.CreateRestoreRecipient(ctx)
		if err != nil {
			refused = err
			return backup.Part{}, err
		}
		to, err := jwk.Parse(recipient.JWK)
		if err != nil {
			return backup.Part{}, fmt.Errorf("recipient in the answer: %w", err)
		}
		sealed := new(bytes.Buffer)
		return backup.Part{To: to, Into: sealed, Close: func(err error) error {
			if err != nil {
				return err
			}
			report, err := k.RestoreSealed(ctx, recipient.ID, sealed.Bytes(), options)
			if err == nil {
				add(&total, report)
			}
			refused = err
			return err
		}}, nil
	})
	if err != nil {
		if refused != nil {
			err = refused // without what it came through
		}
		if total.Restored > 0 && !options.DryRun {
			return nil, fmt.Errorf("%w; %d keys are restored already: repeat it to go on", err, total.Restored)
		}
		return nil, err
	}
	if total.BackupCreatedAt == "" { // an empty backup has no part
		total.FromTenant, total.FromInstance, total.BackupCreatedAt = head.Tenant, head.Instance, head.CreatedAt
	}
	return &total, nil
}

// add counts a part's report.
func add(total, part *RestoreReport) {
	total.FromTenant, total.FromInstance, total.BackupCreatedAt = part.FromTenant, part.FromInstance, part.BackupCreatedAt
	total.Keys += part.Keys
	total.Versions += part.Versions
	total.Restored += part.Restored
	total.Present += part.Present
	total.Skipped += part.Skipped
	total.Conflicts = append(total.Conflicts, part.Conflicts...)
}
