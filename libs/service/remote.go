package service

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// remoteKey is an elastic key of a federated KMS that encrypts the unseal key.
type remoteKey struct {
	peer *federation.Peer
	key  string
}

// remote is the KMS that unseals this service.
func (p *Platform) remote(cfg *Config) unseal.Remote {
	peer, ok := p.Federation.Peer(federation.KMS)
	if !ok {
		return nil
	}
	return remoteKey{peer: peer, key: cfg.Unseal.Key}
}

// Name implements unseal.Remote.
func (r remoteKey) Name() string { return r.peer.URL() + "/elastic-keys/" + r.key }

// contextMember is the member of the encryption context that carries what the unseal key is for.
const contextMember = "cryptoutil_unseal"

// Wrap implements unseal.Remote.
func (r remoteKey) Wrap(ctx context.Context, key []byte, purpose string) (string, error) {
	var answer struct {
		Ciphertext string `json:"ciphertext"`
	}
	err := r.call(ctx, "encrypt", map[string]any{
		"plaintext": base64.RawURLEncoding.EncodeToString(key), "context": map[string]string{contextMember: purpose},
	}, &answer)
	if err == nil && answer.Ciphertext == "" {
		err = errors.New("the KMS answered without a ciphertext")
	}
	return answer.Ciphertext, err
}

// Unwrap implements unseal.Remote.
func (r remoteKey) Unwrap(ctx context.Context, wrapped, purpose string) ([]byte, error) {
	var answer struct {
		Plaintext string `json:"plaintext"`
	}
	err := r.call(ctx, "decrypt", map[string]any{"ciphertext": wrapped, "context": map[string]string{contextMember: purpose}}, &answer)
	if err != nil {
		return nil, err
	}
	return base64.RawURLEncoding.DecodeString(answer.Plaintext)
}

// maxRemoteAnswer bounds an answer of the KMS, in bytes.
const maxRemoteAnswer = 64 << 10

func (r remoteKey) call(ctx context.Context, verb string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	defer clear(text)
	target := r.peer.URL() + "/service/api/v1/elastic-keys/" + url.PathEscape(r.key) + "/" + verb
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.peer.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxRemoteAnswer))
	if err != nil {
		return err
	}
	defer clear(content)
	if response.StatusCode != http.StatusOK {
		var problem struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		}
		_ = json.Unmarshal(content, &problem) // whatever it is, it was no success
		return fmt.Errorf("the KMS refused to %s with %d %s: %s", verb, response.StatusCode, problem.Code, problem.Detail)
	}
	return json.Unmarshal(content, answer)
}

// Dependencies implements unseal.Remote: the KMS says so at its well-known path, also while it is sealed.
func (r remoteKey) Dependencies(ctx context.Context) ([]string, error) {
	said, err := r.peer.Announcement(ctx)
	if err != nil {
		return nil, err
	}
	return append([]string{said.Installation}, said.UnsealedBy...), nil
}
