package httpapi

import (
	"context"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// writableKey is what a patch can change. A member that is taken away has its default.
type writableKey struct {
	Description       *string   `json:"description,omitempty"`
	Tags              Tags      `json:"tags,omitempty"`
	MinDecryptVersion int64     `json:"min_decrypt_version"`
	MinEncryptVersion int64     `json:"min_encrypt_version"`
	VersioningAllowed *bool     `json:"versioning_allowed,omitempty"`
	ImportAllowed     *bool     `json:"import_allowed,omitempty"`
	Published         bool      `json:"published"`
	Policy            KeyPolicy `json:"policy"`
	Rotation          Rotation  `json:"rotation"`
}

// UpdateElasticKey implements PATCH /elastic-keys/{id}.
func (h *Operations) UpdateElasticKey(ctx context.Context, request UpdateElasticKeyRequestObject) (UpdateElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	who.Approval = apivalue.Of(request.Params.Approval)
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	key, err := h.keys.Update(ctx, who, keyring.Ref(request.Id), revision, func(key keyring.ElasticKey) (keyring.ElasticKey, error) {
		return patched(key, *request.Body)
	})
	if err != nil {
		return nil, unseen(err)
	}
	about(ctx, key.ID, 0)
	return UpdateElasticKey200JSONResponse{
		Body: elasticKey(key), Headers: UpdateElasticKey200ResponseHeaders{ETag: apivalue.Optional(etag.Of(key.Revision))},
	}, nil
}

// patched is a key with a patch applied.
func patched(key keyring.ElasticKey, patch []byte) (keyring.ElasticKey, error) {
	want, err := mergepatch.Apply(writableKey{
		Description: &key.Description, Tags: key.Tags, MinDecryptVersion: key.MinDecryptVersion, MinEncryptVersion: key.MinEncryptVersion,
		VersioningAllowed: &key.VersioningAllowed, ImportAllowed: &key.ImportAllowed, Published: key.Published, Policy: policyView(key.Policy), Rotation: rotationView(key.Rotation),
	}, patch)
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	key.Description, key.Tags = apivalue.Of(want.Description), want.Tags
	key.MinDecryptVersion, key.MinEncryptVersion = want.MinDecryptVersion, want.MinEncryptVersion
	key.VersioningAllowed = want.VersioningAllowed == nil || *want.VersioningAllowed
	key.ImportAllowed = want.ImportAllowed == nil || *want.ImportAllowed
	key.Published = want.Published
	key.Policy, key.Rotation = policyOf(want.Policy), rotationOf(want.Rotation)
	return key, nil
}

// unseen is the answer to a change of what the caller has not seen.
func unseen(err error) error {
	if errors.Is(err, keyring.ErrStale) {
		return problem.New(problem.PreconditionFailed, "the resource has changed; read it again")
	}
	return err
}
