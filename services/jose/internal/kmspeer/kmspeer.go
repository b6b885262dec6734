// Package kmspeer has a federated KMS keep private parts for the JWK Authority. Its main type is Keys, which implements authority.Custodian.
//
// The service calls the KMS with one credential, for all of its tenants. So a key in the KMS says for which of them it is, by a tag
// (TenantTag) that its owner there sets.
package kmspeer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// TenantTag is the tag of an elastic key that names the tenant of the JWK Authority that the key is for.
const TenantTag = "jose-tenant"

// Keys are those of a KMS. It is safe for concurrent use.
type Keys struct {
	peer *federation.Peer
}

var _ authority.Custodian = (*Keys)(nil)

// New returns the keys of a peer.
func New(peer *federation.Peer) *Keys { return &Keys{peer: peer} }

// Key implements authority.Custodian.
func (k *Keys) Key(ctx context.Context, tenant, ref string) (authority.CustodyKey, error) {
	var found struct {
		ID             string            `json:"id"`
		Algorithm      string            `json:"algorithm"`
		Tags           map[string]string `json:"tags"`
		PrimaryVersion int64             `json:"primary_version"`
	}
	err := k.call(ctx, request{method: http.MethodGet, path: path(ref)}, &found)
	// A key that the credential may not read is none for this tenant, and must not look like another kind of none.
	if refused := (&refusalError{}); errors.As(err, &refused) && (refused.status == http.StatusNotFound || refused.status == http.StatusForbidden) {
		return authority.CustodyKey{}, authority.ErrNotFound
	}
	if err != nil {
		return authority.CustodyKey{}, err
	}
	if tenant == "" || found.Tags[TenantTag] != tenant {
		return authority.CustodyKey{}, authority.ErrNotFound
	}
	if found.PrimaryVersion < 1 {
		return authority.CustodyKey{}, problem.New(authority.CodeKMSRefused, "the key in the KMS has no version yet")
	}
	return authority.CustodyKey{ID: found.ID, Algorithm: found.Algorithm, Version: found.PrimaryVersion}, nil
}

// Rotate implements authority.Custodian.
func (k *Keys) Rotate(ctx context.Context, id string) (int64, error) {
	var made struct {
		Version int64 `json:"version"`
	}
	// With a key for the attempts together the call is repeated, and rotates once.
	err := k.call(ctx, request{method: http.MethodPost, path: path(id) + "/rotate", once: rand.Text()}, &made)
	if err == nil && made.Version < 1 {
		err = errors.New("the KMS rotated and named no version")
	}
	return made.Version, err
}

// Public implements authority.Custodian.
func (k *Keys) Public(ctx context.Context, id string, version int64) ([]byte, error) {
	var found struct {
		Version int64   `json:"version"`
		JWK     rawJSON `json:"jwk"`
	}
	err := k.call(ctx, request{method: http.MethodGet, path: path(id) + "/public-key?version=" + strconv.FormatInt(version, 10)}, &found)
	if err == nil && found.Version != version {
		err = fmt.Errorf("the KMS answered with version %d of the key, not %d", found.Version, version)
	}
	return found.JWK, err
}

// Sign implements authority.Custodian. The message itself goes to the KMS only where the algorithm takes no digest.
func (k *Keys) Sign(ctx context.Context, id string, version int64, algorithm string, message []byte) ([]byte, error) {
	input, payload, format, err := shape(algorithm, message)
	if err != nil {
		return nil, err
	}
	var signed struct {
		Signature string `json:"signature"`
		Version   int64  `json:"version"`
	}
	err = k.call(ctx, request{method: http.MethodPost, path: path(id) + "/sign", body: map[string]any{
		"payload": base64.RawURLEncoding.EncodeToString(payload), "input": input, "format": format, "version": version,
	}}, &signed)
	switch {
	case err != nil:
		return nil, err
	case signed.Version != version:
		return nil, fmt.Errorf("the KMS signed with version %d of the key, not %d", signed.Version, version)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(signed.Signature)
	if err != nil {
		return nil, fmt.Errorf("read signature from the KMS: %w", err)
	}
	return signature, nil
}

// shape is how the KMS is asked for what a JWS has as its signature.
func shape(algorithm string, message []byte) (input string, payload []byte, format string, err error) {
	signature, err := alg.LookupSignature(algorithm)
	if err != nil {
		return "", nil, "", err
	}
	if format = "raw"; signature.Family == alg.ECDSA {
		format = "p1363"
	}
	switch signature.Family {
	case alg.ECDSA, alg.RSAPKCS1, alg.RSAPSS:
	default:
		return "message", message, format, nil
	}
	switch signature.Hash.Size() {
	case sha512.Size384:
		sum := sha512.Sum384(message)
		return "digest", sum[:], format, nil
	case sha512.Size:
		sum := sha512.Sum512(message)
		return "digest", sum[:], format, nil
	default:
		sum := sha256.Sum256(message)
		return "digest", sum[:], format, nil
	}
}

// path is that of a key in the KMS's API.
func path(ref string) string { return "/service/api/v1/elastic-keys/" + url.PathEscape(ref) }
