package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateKey generates a key, whose version 1 is active at once.
func (j *JOSE) CreateKey(ctx context.Context, spec CreateKey) (*Key, error) {
	params := CreateKeyParams{IdempotencyKey: once()}
	return call[Key](ctx, j, fmt.Sprintf("create key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return j.api.CreateKey(ctx, &params, spec)
	})
}

// ImportKey stores a key that the caller brings, as a JWK or as an encrypted one.
func (j *JOSE) ImportKey(ctx context.Context, spec ImportKey) (*Key, error) {
	params := ImportKeyParams{IdempotencyKey: once()}
	return call[Key](ctx, j, fmt.Sprintf("import key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return j.api.ImportKey(ctx, &params, spec)
	})
}

// AdoptKMSKey makes a key of one that a federated KMS keeps: it signs there, and is published and verified by here.
func (j *JOSE) AdoptKMSKey(ctx context.Context, spec AdoptKMSKey) (*Key, error) {
	params := AdoptKMSKeyParams{IdempotencyKey: once()}
	return call[Key](ctx, j, fmt.Sprintf("adopt key %q of the KMS", spec.KmsKey), func(ctx context.Context) (*http.Response, error) {
		return j.api.AdoptKMSKey(ctx, &params, spec)
	})
}

// KeyFilter selects keys; empty fields select all.
type KeyFilter struct {
	Name, Algorithm string
	Status          KeyStatus
}

// ListKeys yields the keys that filter selects in order of creation, fetching pages as they are needed. It ends after the first error.
func (j *JOSE) ListKeys(ctx context.Context, filter KeyFilter) iter.Seq2[Key, error] {
	params := ListKeysParams{
		Limit: new(apiclient.PageSize), Name: apiclient.Given(filter.Name), Algorithm: apiclient.Given(filter.Algorithm),
		Status: apiclient.Given(filter.Status),
	}
	return apiclient.Pages(func(cursor *string) ([]Key, *string, error) {
		params.Cursor = cursor
		page, err := call[KeyPage](ctx, j, "list keys", func(ctx context.Context) (*http.Response, error) { return j.api.ListKeys(ctx, &params) })
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetKey returns the key with this UUID or name, or of this `kid`.
func (j *JOSE) GetKey(ctx context.Context, key string) (*Key, error) {
	return about[Key](ctx, j, "get key", key, func(ctx context.Context) (*http.Response, error) { return j.api.GetKey(ctx, key) })
}

// UpdateKey changes what a key says of itself: change is given the key as it is and returns the patch. See [apiclient.Update].
func (j *JOSE) UpdateKey(ctx context.Context, key string, again int, change func(Key) (Patch, error)) (*Key, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	read := func(ctx context.Context) (*http.Response, error) { return j.api.GetKey(ctx, key) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return j.api.UpdateKeyWithApplicationMergePatchPlusJSONBody(ctx, key, &UpdateKeyParams{IfMatch: &tag}, patch)
	}
	return apiclient.Update(ctx, j.caller, fmt.Sprintf("update key %q", key), again, read, change, write)
}

// RotateKey adds a version. Unless immediate it is published before it is used; see the API's document.
func (j *JOSE) RotateKey(ctx context.Context, key string, immediate bool) (*KeyVersion, error) {
	params := RotateKeyParams{IdempotencyKey: once()}
	return about[KeyVersion](ctx, j, "rotate key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.RotateKey(ctx, key, &params, RotateKey{Immediate: &immediate})
	})
}

// EnableKey makes a disabled key usable again.
func (j *JOSE) EnableKey(ctx context.Context, key string) (*Key, error) {
	params := EnableKeyParams{IdempotencyKey: once()}
	return about[Key](ctx, j, "enable key", key, func(ctx context.Context) (*http.Response, error) { return j.api.EnableKey(ctx, key, &params) })
}

// DisableKey makes a key unusable until it is enabled again.
func (j *JOSE) DisableKey(ctx context.Context, key string) (*Key, error) {
	params := DisableKeyParams{IdempotencyKey: once()}
	return about[Key](ctx, j, "disable key", key, func(ctx context.Context) (*http.Response, error) { return j.api.DisableKey(ctx, key, &params) })
}

// DestroyKey ends a key and all its versions, for good. It takes a fresh authentication.
func (j *JOSE) DestroyKey(ctx context.Context, key string) (*Key, error) {
	params := DestroyKeyParams{IdempotencyKey: once()}
	return about[Key](ctx, j, "destroy key", key, func(ctx context.Context) (*http.Response, error) { return j.api.DestroyKey(ctx, key, &params) })
}

// ListVersions yields the versions of a key, newest first. It ends after the first error.
func (j *JOSE) ListVersions(ctx context.Context, key string) iter.Seq2[KeyVersion, error] {
	params := ListKeyVersionsParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]KeyVersion, *string, error) {
		params.Cursor = cursor
		page, err := about[KeyVersionPage](ctx, j, "list versions of key", key, func(ctx context.Context) (*http.Response, error) {
			return j.api.ListKeyVersions(ctx, key, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetVersion returns one version of a key.
func (j *JOSE) GetVersion(ctx context.Context, key string, version int64) (*KeyVersion, error) {
	return about[KeyVersion](ctx, j, "get version of key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.GetKeyVersion(ctx, key, version)
	})
}

// DestroyVersion ends a version that is not in use, for good. It takes a fresh authentication.
func (j *JOSE) DestroyVersion(ctx context.Context, key string, version int64) (*KeyVersion, error) {
	params := DestroyKeyVersionParams{IdempotencyKey: once()}
	return about[KeyVersion](ctx, j, "destroy version of key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.DestroyKeyVersion(ctx, key, version, &params)
	})
}

// PublicKey returns the public part of a version of the key; version 0 is the active one.
func (j *JOSE) PublicKey(ctx context.Context, key string, version int64) (*PublicKey, error) {
	params := GetPublicKeyParams{Version: apiclient.Given(version)}
	return about[PublicKey](ctx, j, "get public key of", key, func(ctx context.Context) (*http.Response, error) { return j.api.GetPublicKey(ctx, key, &params) })
}

// KeySet returns the public key set of the caller's tenant (RFC 7517 section 5).
func (j *JOSE) KeySet(ctx context.Context) (json.RawMessage, error) {
	set, err := call[json.RawMessage](ctx, j, "get key set", func(ctx context.Context) (*http.Response, error) { return j.api.GetKeySet(ctx) })
	if err != nil {
		return nil, err
	}
	return *set, nil
}

// ExportKey returns a version (0: the active one), encrypted to the key that recipient names. It takes a fresh authentication.
func (j *JOSE) ExportKey(ctx context.Context, key string, version int64, recipient string) (*Exported, error) {
	ask := ExportKey{Version: apiclient.Given(version), Recipient: recipient}
	return about[Exported](ctx, j, "export key", key, func(ctx context.Context) (*http.Response, error) { return j.api.ExportKey(ctx, key, ask) })
}

// ExportKeys returns all versions of keys as a set, encrypted to the key that recipient names. It takes a fresh authentication.
func (j *JOSE) ExportKeys(ctx context.Context, keys []string, recipient string) (*Exported, error) {
	ask := ExportKeys{Keys: keys, Recipient: recipient}
	return call[Exported](ctx, j, "export keys", func(ctx context.Context) (*http.Response, error) { return j.api.ExportKeys(ctx, ask) })
}
