package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// mediaBackup is the media type of backups.
const mediaBackup = "application/octet-stream"

// BackupElasticKey implements POST /elastic-keys/{id}/backup.
func (h *Operations) BackupElasticKey(ctx context.Context, request BackupElasticKeyRequestObject) (BackupElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	who.Approval = apivalue.Of(request.Params.Approval)
	backup, err := h.keys.BackupKey(ctx, who, keyring.Ref(request.Id), recipients(request.Body.Recipients))
	if err != nil {
		return nil, err
	}
	return written(func(w io.Writer) error { return backup.Write(ctx, w) }), nil
}

// CreateBackup implements POST /backups.
func (h *Operations) CreateBackup(ctx context.Context, request CreateBackupRequestObject) (CreateBackupResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	backup, err := h.keys.BackupTenant(ctx, who, recipients(request.Body.Recipients))
	if err != nil {
		return nil, err
	}
	return written(func(w io.Writer) error { return backup.Write(ctx, w) }), nil
}

func recipients(list []json.RawMessage) [][]byte {
	texts := make([][]byte, len(list))
	for i, text := range list {
		texts[i] = text
	}
	return texts
}

// written is an answer that is written while it is made. What fails before its first bytes is an error like any other; what fails later breaks
// the connection off.
type written func(w io.Writer) error

// VisitBackupElasticKeyResponse writes the answer.
func (b written) VisitBackupElasticKeyResponse(w http.ResponseWriter) error { return b.write(w) }

// VisitCreateBackupResponse writes the answer.
func (b written) VisitCreateBackupResponse(w http.ResponseWriter) error { return b.write(w) }

func (b written) write(w http.ResponseWriter) error { return b(&begun{ResponseWriter: w}) }

// begun sends the header with the first bytes.
type begun struct {
	http.ResponseWriter

	sent bool
}

func (b *begun) Write(p []byte) (int, error) {
	if !b.sent {
		b.sent = true
		b.Header().Set("Content-Type", mediaBackup)
		b.WriteHeader(http.StatusOK)
	}
	return b.ResponseWriter.Write(p)
}

// CreateRestoreRecipient implements POST /backups/recipients.
func (h *Operations) CreateRestoreRecipient(ctx context.Context, _ CreateRestoreRecipientRequestObject) (CreateRestoreRecipientResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	made, public, err := h.keys.NewRecipient(ctx, who)
	if err != nil {
		return nil, err
	}
	return CreateRestoreRecipient201JSONResponse{Id: made.ID, Jwk: public, ExpiresAt: apivalue.Timestamp(made.ExpiresAt)}, nil
}

// RestoreBackup implements POST /backups/restore.
func (h *Operations) RestoreBackup(ctx context.Context, request RestoreBackupRequestObject) (RestoreBackupResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	file, err := io.ReadAll(request.Body) // which the platform has bounded
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	p := request.Params
	report, err := h.keys.Restore(ctx, who, keyring.Restore{
		Recipient: p.Recipient, Backup: file, DryRun: apivalue.Of(p.DryRun), Skip: apivalue.Of(p.OnConflict) == "skip", FromTenant: apivalue.Of(p.FromTenant),
	})
	if err != nil {
		return nil, err
	}
	answer := RestoreBackup200JSONResponse{
		DryRun: report.DryRun, FromTenant: report.Tenant, FromInstance: report.Instance, BackupCreatedAt: report.MadeAt, Keys: report.Keys,
		Versions: report.Versions, Restored: report.Restored, Present: report.Present, Skipped: report.Skipped, Conflicts: []RestoreConflict{},
	}
	for _, c := range report.Conflicts {
		answer.Conflicts = append(answer.Conflicts, RestoreConflict{KeyId: c.KeyID, Name: c.Name, Reason: c.Reason})
	}
	return answer, nil
}
