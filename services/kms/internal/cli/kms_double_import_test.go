package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// importToken is that of every import job of the double.
const importToken = "the-token"

// importRoutes are those of imports and approvals.
func (f *fakeKMS) importRoutes() map[string]func(*http.Request) (any, *client.Problem) {
	return map[string]func(*http.Request) (any, *client.Problem){
		"POST /elastic-keys/{id}/import-jobs":                     f.importJob,
		"GET /elastic-keys/{id}/import-jobs":                      f.importJobs,
		"GET /elastic-keys/{id}/import-jobs/{job}":                f.importJobOf,
		"POST /elastic-keys/{id}/import":                          f.importKey,
		"POST /approvals":                                         f.ask,
		"GET /approvals":                                          f.listApprovals,
		"GET /approvals/{approval}":                               f.approvalIn("pending"),
		"POST /approvals/{approval}/approve":                      f.approvalIn("approved"),
		"POST /approvals/{approval}/reject":                       f.approvalIn("rejected"),
		"POST /approvals/{approval}/cancel":                       f.approvalIn("cancelled"),
		"POST /elastic-keys/{id}/delete":                          f.deleteNow,
		"POST /elastic-keys/{id}/material-keys/{version}/destroy": f.destroyNow,
	}
}

func (f *fakeKMS) importJob(r *http.Request) (any, *client.Problem) {
	var spec client.CreateImportJob
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return client.ImportJob{
		ID: "j1", Wrapping: spec.Wrapping, Status: "open", Token: new(importToken),
		PublicKey: &client.WrappingKey{JWK: must(f.vault.recipient.MarshalPublic()), PEM: "-----BEGIN PUBLIC KEY-----\n"},
	}, nil
}

// importJobOf is j1, which is open, or one that has expired.
func (f *fakeKMS) importJobOf(r *http.Request) (any, *client.Problem) {
	if r.PathValue("job") != "j1" {
		return client.ImportJob{ID: r.PathValue("job"), Wrapping: "RSA-OAEP-256+A256KWP", Status: "expired"}, nil
	}
	return client.ImportJob{
		ID: "j1", Wrapping: "ECDH-ES+A256KW", Status: "open",
		PublicKey: &client.WrappingKey{JWK: must(f.vault.recipient.MarshalPublic()), PEM: "-----BEGIN PUBLIC KEY-----\n"},
	}, nil
}

func (f *fakeKMS) importJobs(r *http.Request) (any, *client.Problem) {
	jobs := []client.ImportJob{
		{ID: "j2", Wrapping: "ECDH-ES+A256KW", Status: "open"},
		{ID: "j1", Wrapping: "RSA-OAEP-256+A256KWP", Status: "used", Attempts: 1, Version: new(int64(3))},
		{ID: "j0", Wrapping: "RSA-OAEP-256+A256KWP", Status: "expired"},
	}
	items, next := page(r, jobs)
	return client.ImportJobPage{Items: items, NextCursor: next}, nil
}

// importKey makes a version, whose import it keeps.
func (f *fakeKMS) importKey(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	var spec client.ImportKey
	if problem == nil {
		problem = decode(r, &spec)
	}
	if problem == nil && spec.Job != nil && *spec.Job != importToken {
		problem = refusal(http.StatusNotFound, "import_job_used", "the job has served its import")
	}
	if problem != nil {
		return nil, problem
	}
	f.imported = spec
	key.addVersion()
	return key.version(key.VersionCount), nil
}

func fakeApproval(id, state string) client.ApprovalRequest {
	return client.ApprovalRequest{
		ID: id, Operation: "deleteElasticKey", Resource: client.Party{Kind: "elastic_key", Ref: "k1"}, Parameters: json.RawMessage(`{}`), Reason: "the customer has left",
		RequestedBy: client.Party{Kind: "client", Ref: "admin"}, State: state, Approvals: 1, ApprovalsNeeded: 2,
		Approvers: []client.Approver{{Ref: "alice", Vote: "approve", VotedAt: "2026-11-02T09:30:00.000000Z"}, {Ref: "bob"}},
	}
}

func (f *fakeKMS) ask(r *http.Request) (any, *client.Problem) {
	if problem := decode(r, &f.wanted); problem != nil {
		return nil, problem
	}
	return fakeApproval("a1", "pending"), nil
}

func (f *fakeKMS) listApprovals(r *http.Request) (any, *client.Problem) {
	items, next := page(r, []client.ApprovalRequest{fakeApproval("a1", "pending"), fakeApproval("a2", "pending"), fakeApproval("a3", "pending")})
	return client.ApprovalRequestPage{Items: items, NextCursor: next}, nil
}

func (f *fakeKMS) approvalIn(state string) func(*http.Request) (any, *client.Problem) {
	return func(r *http.Request) (any, *client.Problem) { return fakeApproval(r.PathValue("approval"), state), nil }
}

// approved refuses what names no approval.
func approved(r *http.Request) *client.Problem {
	if r.Header.Get("Approval") != "a1" {
		return refusal(http.StatusForbidden, "approval_not_usable", fmt.Sprintf("no approval %q", r.Header.Get("Approval")))
	}
	return nil
}

func (f *fakeKMS) deleteNow(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem == nil {
		problem = approved(r)
	}
	if problem != nil {
		return nil, problem
	}
	key.Status = client.ElasticKeyStatusDeleted
	return key.view(), nil
}

func (f *fakeKMS) destroyNow(r *http.Request) (any, *client.Problem) {
	key, n, problem := f.findVersion(r)
	if problem == nil {
		problem = approved(r)
	}
	if problem != nil {
		return nil, problem
	}
	key.states[n-1] = client.MaterialKeyStatusDestroyed
	return key.version(n), nil
}
