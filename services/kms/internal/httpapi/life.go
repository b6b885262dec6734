package httpapi

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// moving is a change of a key's state.
type moving func(context.Context, keyring.Caller, keyring.Ref) (keyring.ElasticKey, error)

// move makes a change of a key's state.
func move(ctx context.Context, id string, change moving) (ElasticKey, *string, error) {
	who, err := caller(ctx)
	if err != nil {
		return ElasticKey{}, nil, err
	}
	about(ctx, id, 0)
	key, err := change(ctx, who, keyring.Ref(id))
	if err != nil {
		return ElasticKey{}, nil, err
	}
	about(ctx, key.ID, 0)
	return elasticKey(key), apivalue.Optional(etag.Of(key.Revision)), nil
}

// EnableElasticKey implements POST /elastic-keys/{id}/enable.
func (h *Operations) EnableElasticKey(ctx context.Context, request EnableElasticKeyRequestObject) (EnableElasticKeyResponseObject, error) {
	key, tag, err := move(ctx, request.Id, h.keys.Enable)
	if err != nil {
		return nil, err
	}
	return EnableElasticKey200JSONResponse{Body: key, Headers: EnableElasticKey200ResponseHeaders{ETag: tag}}, nil
}

// DisableElasticKey implements POST /elastic-keys/{id}/disable.
func (h *Operations) DisableElasticKey(ctx context.Context, request DisableElasticKeyRequestObject) (DisableElasticKeyResponseObject, error) {
	key, tag, err := move(ctx, request.Id, h.keys.Disable)
	if err != nil {
		return nil, err
	}
	return DisableElasticKey200JSONResponse{Body: key, Headers: DisableElasticKey200ResponseHeaders{ETag: tag}}, nil
}

// CancelElasticKeyDeletion implements POST /elastic-keys/{id}/cancel-deletion.
func (h *Operations) CancelElasticKeyDeletion(
	ctx context.Context, request CancelElasticKeyDeletionRequestObject,
) (CancelElasticKeyDeletionResponseObject, error) {
	key, tag, err := move(ctx, request.Id, h.keys.CancelDeletion)
	if err != nil {
		return nil, err
	}
	return CancelElasticKeyDeletion200JSONResponse{Body: key, Headers: CancelElasticKeyDeletion200ResponseHeaders{ETag: tag}}, nil
}

// ScheduleElasticKeyDeletion implements POST /elastic-keys/{id}/schedule-deletion.
func (h *Operations) ScheduleElasticKeyDeletion(
	ctx context.Context, request ScheduleElasticKeyDeletionRequestObject,
) (ScheduleElasticKeyDeletionResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	schedule := h.keys.ScheduleDeletion
	if apivalue.Of(request.Params.DryRun) {
		schedule = h.keys.PlanDeletion
	}
	plan, err := schedule(ctx, who, keyring.Ref(request.Id), waiting(request.Body))
	if err != nil {
		return nil, err
	}
	about(ctx, plan.Key.ID, 0)
	answer := ScheduleElasticKeyDeletion200JSONResponse{
		DryRun: plan.DryRun, ElasticKeyId: plan.Key.ID, Status: ElasticKeyStatus(plan.Key.Status), DeleteAt: apivalue.Timestamp(plan.At),
		Safe: plan.Safe, LastUsedAt: apivalue.OptionalTimestamp(plan.LastUsedAt), Versions: []MaterialKey{},
	}
	for _, version := range plan.Versions {
		answer.Versions = append(answer.Versions, materialKey(version, plan.Key.PrimaryVersion))
	}
	return answer, nil
}

// waiting is the wait that is asked for; 0 for the default.
func waiting(body *ScheduleEnd) time.Duration {
	if body == nil {
		return 0
	}
	return time.Duration(apivalue.Of(body.WaitDays)) * 24 * time.Hour
}
