package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// NewApproval asks the quorum in a key's policy to approve one operation.
type NewApproval struct {
	Operation  string          `json:"operation"`            // the operationId, such as "deleteElasticKey"
	Resource   string          `json:"resource"`             // name or UUID of the key
	Parameters json.RawMessage `json:"parameters,omitempty"` // what else settles what happens, as the operation's documentation says
	Reason     string          `json:"reason"`               // for the approvers and the audit trail
}

// Party is somebody, or an object.
type Party struct {
	Kind string `json:"kind"`
	Ref  string `json:"ref"`
}

// Approver is somebody who may approve a request, and what they said.
type Approver struct {
	Ref     string `json:"ref"`
	Vote    string `json:"vote,omitempty"` // approve or reject
	VotedAt string `json:"voted_at,omitempty"`
}

// ApprovalRequest is a request that a quorum decides about.
type ApprovalRequest struct {
	ID              string          `json:"id"`
	Operation       string          `json:"operation"`
	Resource        Party           `json:"resource"`
	Parameters      json.RawMessage `json:"parameters"`
	Fingerprint     string          `json:"fingerprint"`
	Reason          string          `json:"reason"`
	RequestedBy     Party           `json:"requested_by"`
	State           string          `json:"state"` // pending, approved, used, rejected, cancelled or expired
	Approvals       int             `json:"approvals"`
	ApprovalsNeeded int             `json:"approvals_needed"`
	Approvers       []Approver      `json:"approvers"`
	CreatedAt       string          `json:"created_at"`
	UpdatedAt       string          `json:"updated_at"`
	ExpiresAt       string          `json:"expires_at"`
}

// ApprovalRequestPage is one page of a list of approvals.
type ApprovalRequestPage struct {
	Items      []ApprovalRequest `json:"items"`
	NextCursor *string           `json:"next_cursor,omitempty"`
}

// RequestApproval asks for approval of an operation. Whoever asks then does it, once.
func (k *KMS) RequestApproval(ctx context.Context, ask NewApproval) (*ApprovalRequest, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("request approval: %w", err)
	}
	return approval[ApprovalRequest](ctx, k, "request approval", http.MethodPost, "approvals", body)
}

// ListApprovals yields the requests that the caller made or may approve, in order of
// creation; state "" selects all. It ends after the first error.
func (k *KMS) ListApprovals(ctx context.Context, state string) iter.Seq2[ApprovalRequest, error] {
	return apiclient.Pages(func(cursor *string) ([]ApprovalRequest, *string, error) {
		query := url.Values{"limit": {strconv.Itoa(apiclient.PageSize)}}
		if state != "" {
			query.Set("state", state)
		}
		if cursor != nil {
			query.Set("cursor", *cursor)
		}
		page, err := approval[ApprovalRequestPage](ctx, k, "list approvals", http.MethodGet, "approvals?"+query.Encode(), nil)
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetApproval returns a request.
func (k *KMS) GetApproval(ctx context.Context, id string) (*ApprovalRequest, error) {
	return k.onApproval(ctx, "get", http.MethodGet, id, "")
}

// Approve approves a request, as one of its approvers with a fresh authentication.
func (k *KMS) Approve(ctx context.Context, id string) (*ApprovalRequest, error) {
	return k.onApproval(ctx, "approve", http.MethodPost, id, "/approve")
}

// Reject ends a request, as one of its approvers with a fresh authentication.
func (k *KMS) Reject(ctx context.Context, id string) (*ApprovalRequest, error) {
	return k.onApproval(ctx, "reject", http.MethodPost, id, "/reject")
}

// CancelApproval takes a request of the caller back.
func (k *KMS) CancelApproval(ctx context.Context, id string) (*ApprovalRequest, error) {
	return k.onApproval(ctx, "cancel", http.MethodPost, id, "/cancel")
}

func (k *KMS) onApproval(ctx context.Context, verb, method, id, action string) (*ApprovalRequest, error) {
	if apiclient.CheckRef(id) != nil {
		return nil, fmt.Errorf("%q is no id of a request for approval", id)
	}
	return approval[ApprovalRequest](ctx, k, fmt.Sprintf("%s approval %q", verb, id), method, "approvals/"+url.PathEscape(id)+action, nil)
}

// approval performs an operation of the platform, which the service's own document does not have.
func approval[T any](ctx context.Context, k *KMS, operation, method, path string, body []byte) (*T, error) {
	once := apiclient.IdempotencyKey()
	return call[T](ctx, k, operation, func(ctx context.Context) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, method, k.api.Server+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if method == http.MethodPost {
			request.Header.Set("Idempotency-Key", once)
		}
		if len(body) > 0 {
			request.Header.Set("Content-Type", "application/json")
		}
		if err := k.api.applyEditors(ctx, request, nil); err != nil {
			return nil, err
		}
		return k.api.Client.Do(request)
	})
}

// DeleteNow ends a key that waits for its deletion at once, with the id of an approval
// of "deleteElasticKey" that the caller asked for.
func (k *KMS) DeleteNow(ctx context.Context, key, approved string) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ElasticKey](ctx, k, "delete", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.DeleteElasticKey(ctx, key, &DeleteElasticKeyParams{IdempotencyKey: &once, Approval: apiclient.Given(approved)})
	})
}

// DestroyNow ends a version that waits for its destruction at once, with the id of an
// approval of "destroyMaterialKey" that the caller asked for.
func (k *KMS) DestroyNow(ctx context.Context, key string, version int64, approved string) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "destroy", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.DestroyMaterialKey(ctx, key, number, &DestroyMaterialKeyParams{IdempotencyKey: &once, Approval: apiclient.Given(approved)})
	})
}
