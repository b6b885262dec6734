package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Operations of the API that take the approval of a key's quorum, by their operationId.
const (
	ApproveDelete  = "deleteElasticKey"
	ApproveDestroy = "destroyMaterialKey"
	ApproveUpdate  = "updateElasticKey"
	ApproveExport  = "exportElasticKey"
	ApproveBackup  = "backupElasticKey"
)

// resourceKey is the kind of object that an approval is for.
const resourceKey = "elastic-key"

// Approvals are what quorums have agreed to.
type Approvals interface {
	// Spend uses up an approval of the caller, in the transaction of ctx; an error, if it is not good for the subject, undoes the change.
	Spend(ctx context.Context, id string, subject quorum.Subject) error
}

// What approvals are for, beside the operation and the key. Each is compared as the text that its JSON is.
type (
	// noParameters is for what the key alone settles.
	noParameters struct{}
	// versionParameters name one version.
	versionParameters struct {
		Version int64 `json:"version"`
	}
	// quorumParameters are what a key's quorum is to be; null for none.
	quorumParameters struct {
		Quorum *Quorum `json:"quorum"`
	}
	// exportParameters say which version goes to whom, by the SHA-256 thumbprint (RFC 7638) of the recipient's key.
	exportParameters struct {
		Version   int64  `json:"version"`
		Recipient string `json:"recipient"`
	}
	// backupParameters are the thumbprints of those who can open the backup, in order.
	backupParameters struct {
		Recipients []string `json:"recipients"`
	}
)

// Subject is what a request for approval asks for, for a caller who may do it.
func (k *Keyring) Subject(ctx context.Context, caller Caller, ask quorum.Ask) (quorum.Subject, error) {
	op, known := map[string]Operation{
		ApproveDelete: OpDestroy, ApproveDestroy: OpDestroy, ApproveUpdate: OpUpdate, ApproveExport: OpExport, ApproveBackup: OpBackup,
	}[ask.Operation]
	if !known {
		return quorum.Subject{}, invalidMember("/operation", "one of %s", strings.Join(
			[]string{ApproveDelete, ApproveDestroy, ApproveUpdate, ApproveExport, ApproveBackup}, ", "))
	}
	key, err := k.permitKey(ctx, caller, op, Ref(ask.Resource))
	if err != nil {
		return quorum.Subject{}, err
	}
	parameters, err := k.parameters(ctx, caller, op, key, ask)
	if err != nil {
		return quorum.Subject{}, err
	}
	return k.subject(ask.Operation, key, parameters)
}

// parameters reads those of a request into the one form that they have.
func (k *Keyring) parameters(ctx context.Context, caller Caller, op Operation, key ElasticKey, ask quorum.Ask) (any, error) {
	switch ask.Operation {
	case ApproveDestroy:
		var p struct {
			Version string `json:"version"`
		}
		if err := decodeParameters(ask.Parameters, &p); err != nil {
			return nil, err
		}
		_, version, err := k.version(ctx, caller, op, Ref(key.ID), p.Version)
		return versionParameters{version.Version}, err
	case ApproveUpdate:
		var p quorumParameters
		if err := decodeParameters(ask.Parameters, &p); err != nil {
			return nil, err
		}
		if err := (Policy{Quorum: p.Quorum}).check(key); err != nil {
			return nil, err
		}
		return quorumParameters{p.Quorum.stated()}, nil
	case ApproveExport:
		var p exportParameters
		if err := decodeParameters(ask.Parameters, &p); err != nil {
			return nil, err
		}
		return p, nil
	case ApproveBackup:
		var p backupParameters
		if err := decodeParameters(ask.Parameters, &p); err != nil {
			return nil, err
		}
		slices.Sort(p.Recipients)
		return backupParameters{slices.Compact(p.Recipients)}, nil
	default:
		if err := decodeParameters(ask.Parameters, &noParameters{}); err != nil {
			return nil, err
		}
		return noParameters{}, nil
	}
}

// decodeParameters reads a JSON object that has no other members.
func decodeParameters(text json.RawMessage, into any) error {
	if len(text) == 0 {
		text = json.RawMessage("{}")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || !errors.Is(decoder.Decode(new(any)), io.EOF) {
		return invalidMember("/parameters", "not what the operation takes; its documentation says what that is")
	}
	return nil
}

// subject is what an approval must be for.
func (k *Keyring) subject(operation string, key ElasticKey, parameters any) (quorum.Subject, error) {
	text, err := json.Marshal(parameters)
	if err != nil {
		return quorum.Subject{}, fmt.Errorf("encode parameters: %w", err)
	}
	return quorum.Subject{
		Operation: operation, Kind: resourceKey, Resource: key.ID, Parameters: text, Rule: k.rule(operation, key),
	}, nil
}

// rule is who must agree now. What ends a key is not in the hands of a quorum that was added a moment ago: it counts once it has been there for
// as long as the shortest wait.
func (k *Keyring) rule(operation string, key ElasticKey) *quorum.Rule {
	q := key.Policy.Quorum
	ends := operation == ApproveDelete || operation == ApproveDestroy
	if q == nil || ends && k.steady.Earliest().Before(q.ripe()) {
		return nil
	}
	return &quorum.Rule{Approvals: q.Approvals, Approvers: q.Approvers}
}

// approve spends the approval that the caller names, in the transaction of the change itself. Without one it is the answer that one is needed,
// if the key has a quorum. An approval that is named is spent or the change fails: none of them is ever good twice.
func (k *Keyring) approve(ctx context.Context, caller Caller, operation string, key ElasticKey, parameters any) error {
	subject, err := k.subject(operation, key, parameters)
	switch {
	case err != nil:
		return err
	case caller.Approval == "" && subject.Rule == nil:
		return nil
	case caller.Approval == "":
		return quorum.Required(*subject.Rule)
	case k.approvals == nil:
		return errors.New("there is nothing that approvals could be found in")
	}
	return k.approvals.Spend(ctx, caller.Approval, subject)
}

// ripe is when a quorum can stand in for the wait.
func (q *Quorum) ripe() time.Time {
	if q.Since.IsZero() {
		return time.Time{}
	}
	return q.Since.Add(MinWait)
}

// stated is the quorum as callers state it, its approvers in order.
func (q *Quorum) stated() *Quorum {
	if q == nil {
		return nil
	}
	approvers := slices.Clone(q.Approvers)
	slices.Sort(approvers)
	return &Quorum{Approvals: q.Approvals, Approvers: approvers}
}

// weaker tells whether another quorum could agree where this one would not: it needs fewer approvals, or takes them from others.
func (q *Quorum) weaker(next *Quorum) bool {
	if q == nil {
		return false
	}
	if next == nil || next.Approvals < q.Approvals {
		return true
	}
	return slices.ContainsFunc(next.Approvers, func(id string) bool { return !slices.Contains(q.Approvers, id) })
}

// succeed is the quorum that takes the place of this one. Callers do not say since when it has been there.
func (q *Quorum) succeed(next *Quorum, now time.Time) *Quorum {
	if next == nil {
		return nil
	}
	settled := *next
	settled.Since = now
	if q != nil {
		settled.Since = q.Since
	}
	return &settled
}

// errEarly is the answer to who would end something before its time where no quorum can agree to that.
func (k *Keyring) errEarly(key ElasticKey, what string, at time.Time) error {
	when := at.UTC().Format(time.RFC3339)
	if q := key.Policy.Quorum; q != nil {
		return problem.New(problem.InvalidState, "the key's quorum can decide about this from %s; %s ends by itself at %s, or is kept by cancelling",
			q.ripe().UTC().Format(time.RFC3339), what, when)
	}
	return problem.New(problem.InvalidState, "the key has no quorum that could agree to an earlier end; %s ends by itself at %s", what, when)
}
