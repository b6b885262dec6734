package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// Export says what leaves, and to whom.
type Export struct {
	Version   int64           // the primary one if it is 0
	Recipient json.RawMessage // a public JWK: RSA of at least 3072 bits, or EC
	// Approval is the id of an approval of "exportElasticKey" that the caller asked for, where the key has a quorum. It is for one export: if the
	// answer is lost, ask for another one.
	Approval string
}

// Export returns a version of a key that was made exportable, as a compact JWE to the recipient whose content is the private JWK. It takes a fresh
// authentication: see [Config] Certificate.
func (k *KMS) Export(ctx context.Context, key string, what Export) (*ExportedKey, error) {
	request := ExportKey{Recipient: what.Recipient, Version: apiclient.Given(what.Version)}
	answer, err := onKey[ExportedKey](ctx, k, "export", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.ExportElasticKey(ctx, key, &ExportElasticKeyParams{Approval: apiclient.Given(what.Approval)}, request)
	})
	if err == nil && answer.Jwe == "" {
		return nil, missing("export", key, "JWE")
	}
	return answer, err
}

// Attest returns a signed statement about a version of the key, the primary one if it is 0. Package attestation verifies it, without the service.
func (k *KMS) Attest(ctx context.Context, key string, version int64) (*Attestation, error) {
	answer, err := onKey[Attestation](ctx, k, "attest", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.AttestKey(ctx, key, &AttestKeyParams{Version: apiclient.Given(version)})
	})
	if err == nil && answer.Attestation == "" {
		return nil, missing("attest", key, "statement")
	}
	return answer, err
}

// AttestationKeys returns the JWK Set that verifies the tenant's statements about keys.
func (k *KMS) AttestationKeys(ctx context.Context) (KeySet, error) {
	set, err := call[KeySet](ctx, k, "get attestation keys", func(ctx context.Context) (*http.Response, error) { return k.api.GetAttestationKeys(ctx) })
	if err != nil {
		return nil, err
	}
	return *set, nil
}
