package httpapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ImportKey implements POST /elastic-keys/{id}/import.
func (h *Operations) ImportKey(ctx context.Context, request ImportKeyRequestObject) (ImportKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	ask, err := importOf(*request.Body)
	if err != nil {
		return nil, err
	}
	key, version, err := h.keys.Import(ctx, who, keyring.Ref(request.Id), ask)
	if err != nil {
		return nil, err
	}
	about(ctx, version.ElasticKeyID, version.Version)
	return ImportKey201JSONResponse{
		Body: materialKey(version, key.PrimaryVersion),
		// Relative to /elastic-keys/{id}/import (RFC 9110 section 10.2.2).
		Headers: ImportKey201ResponseHeaders{Location: apivalue.Optional("material-keys/" + strconv.FormatInt(version.Version, 10))},
	}, nil
}

func importOf(body ImportKey) (ask keyring.Import, err error) {
	ask = keyring.Import{Job: apivalue.Of(body.Job), Version: apivalue.Of(body.Version)}
	if body.ExpiresAt != nil {
		if ask.ExpiresAt, err = time.Parse(time.RFC3339, *body.ExpiresAt); err != nil {
			return keyring.Import{}, invalid("/expires_at", "must be a time of RFC 3339")
		}
		ask.ExpiresAt = ask.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	switch {
	case body.PublicKey != nil && (body.Job != nil || body.WrappedMaterial != nil):
		return keyring.Import{}, invalid("/public_key", "must stand alone, without job and wrapped_material")
	case body.PublicKey != nil:
		ask.PublicKey, err = publicText(*body.PublicKey)
		return ask, err
	case body.Job == nil || body.WrappedMaterial == nil:
		return keyring.Import{}, invalid("", "needs job and wrapped_material, or public_key")
	case strings.Contains(*body.WrappedMaterial, "."):
		ask.Wrapped = []byte(*body.WrappedMaterial) // a JWE
	default:
		ask.Wrapped, err = apivalue.Decode("/wrapped_material", *body.WrappedMaterial)
	}
	return ask, err
}

// publicText is a public key as package keyimport reads it: the object that is a JWK, or the text that is PEM.
func publicText(member json.RawMessage) ([]byte, error) {
	if member[0] != '"' {
		return member, nil
	}
	var text string
	if err := json.Unmarshal(member, &text); err != nil {
		return nil, invalid("/public_key", "must be a JWK, or a text").Because(err)
	}
	return []byte(text), nil
}

// invalid is the refusal of one member of a body.
func invalid(pointer, detail string) *problem.Error {
	return problem.New(problem.ValidationFailed, "a member is not valid").With(problem.Field{Pointer: pointer, Detail: detail})
}
