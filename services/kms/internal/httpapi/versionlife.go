package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// moveVersion makes a change of a version's state.
func (h *Operations) moveVersion(ctx context.Context, id, version string, action keyring.VersionAction) (MaterialKey, error) {
	who, err := caller(ctx)
	if err != nil {
		return MaterialKey{}, err
	}
	about(ctx, id, 0)
	key, moved, err := h.keys.MoveVersion(ctx, who, keyring.Ref(id), version, action, 0)
	if err != nil {
		return MaterialKey{}, err
	}
	about(ctx, key.ID, moved.Version)
	return materialKey(moved, key.PrimaryVersion), nil
}

// EnableMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/enable.
func (h *Operations) EnableMaterialKey(ctx context.Context, request EnableMaterialKeyRequestObject) (EnableMaterialKeyResponseObject, error) {
	version, err := h.moveVersion(ctx, request.Id, request.Version, keyring.EnableVersion)
	if err != nil {
		return nil, err
	}
	return EnableMaterialKey200JSONResponse(version), nil
}

// DisableMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/disable.
func (h *Operations) DisableMaterialKey(ctx context.Context, request DisableMaterialKeyRequestObject) (DisableMaterialKeyResponseObject, error) {
	version, err := h.moveVersion(ctx, request.Id, request.Version, keyring.DisableVersion)
	if err != nil {
		return nil, err
	}
	return DisableMaterialKey200JSONResponse(version), nil
}

// CompromiseMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/mark-compromised.
func (h *Operations) CompromiseMaterialKey(
	ctx context.Context, request CompromiseMaterialKeyRequestObject,
) (CompromiseMaterialKeyResponseObject, error) {
	version, err := h.moveVersion(ctx, request.Id, request.Version, keyring.CompromiseVersion)
	if err != nil {
		return nil, err
	}
	return CompromiseMaterialKey200JSONResponse(version), nil
}

// RestoreMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/restore.
func (h *Operations) RestoreMaterialKey(ctx context.Context, request RestoreMaterialKeyRequestObject) (RestoreMaterialKeyResponseObject, error) {
	version, err := h.moveVersion(ctx, request.Id, request.Version, keyring.RestoreVersion)
	if err != nil {
		return nil, err
	}
	return RestoreMaterialKey200JSONResponse(version), nil
}

// SetPrimaryMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/set-primary.
func (h *Operations) SetPrimaryMaterialKey(
	ctx context.Context, request SetPrimaryMaterialKeyRequestObject,
) (SetPrimaryMaterialKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, version, err := h.keys.SetPrimary(ctx, who, keyring.Ref(request.Id), request.Version)
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, version.Version)
	return SetPrimaryMaterialKey200JSONResponse(materialKey(version, key.PrimaryVersion)), nil
}

// ScheduleMaterialKeyDestruction implements POST /elastic-keys/{id}/material-keys/{version}/schedule-destruction.
func (h *Operations) ScheduleMaterialKeyDestruction(
	ctx context.Context, request ScheduleMaterialKeyDestructionRequestObject,
) (ScheduleMaterialKeyDestructionResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	schedule := h.keys.ScheduleDestruction
	if apivalue.Of(request.Params.DryRun) {
		schedule = h.keys.PlanDestruction
	}
	plan, err := schedule(ctx, who, keyring.Ref(request.Id), request.Version, waiting(request.Body))
	if err != nil {
		return nil, err
	}
	version := plan.Versions[0]
	about(ctx, plan.Key.ID, version.Version)
	return ScheduleMaterialKeyDestruction200JSONResponse{
		DryRun: plan.DryRun, ElasticKeyId: plan.Key.ID, DestroyAt: apivalue.Timestamp(plan.At), Safe: plan.Safe,
		Version: materialKey(version, plan.Key.PrimaryVersion),
	}, nil
}
