package keyring

import (
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Policy says, beyond scopes and grants, what may be done with one key and by whom. Every list that is empty leaves its matter to them.
type Policy struct {
	// Operations are those that may be done with the key.
	Operations []Operation `json:"operations,omitempty"`
	// Clients and Roles are those who may use the key: callers by id, and holders of a role. Managing it is a matter of scopes.
	Clients []string `json:"clients,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	// Quorum is what destruction before its time and export need; nil where a step-up is enough (export) or nothing helps (destruction).
	Quorum *Quorum `json:"quorum,omitempty"`
}

// Quorum is m of n approvals.
type Quorum struct {
	// Approvals is how many different approvers must have agreed, from 1.
	Approvals int `json:"approvals"`
	// Approvers are the ids of those who may; at least as many as Approvals. Whoever asks does not count.
	Approvers []string `json:"approvers"`
	// Since is when the key got a quorum, if that was after it was made; the keyring alone sets it.
	Since time.Time `json:"since,omitzero"`
}

// Rotation says when a key gets a new version by itself. Zero switches a reason off.
type Rotation struct {
	// Every is the age of the primary version, at least an hour.
	Every time.Duration `json:"every,omitempty"`
	// Uses and Bytes are how much the primary version may have done. They are looked at every few seconds.
	Uses  int64 `json:"uses,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// NotifyBefore is how long before a rotation by age an event announces it.
	NotifyBefore time.Duration `json:"notify_before,omitempty"`
}

// Bounds of policies.
const (
	maxPolicyMembers  = 64
	minRotationPeriod = time.Hour
	maxRotationPeriod = 10 * 365 * 24 * time.Hour
)

// admits decides whether the policy lets the caller do op. It says nothing about managing and reading.
func (p Policy) admits(caller Caller, op Operation) error {
	if !op.uses() {
		return nil
	}
	if len(p.Operations) > 0 && !slices.Contains(p.Operations, op.listed()) {
		return problem.New("policy_refused", "the key's policy does not allow to %s", op.listed())
	}
	if len(p.Clients)+len(p.Roles) == 0 || slices.Contains(p.Clients, caller.ID) {
		return nil
	}
	if slices.ContainsFunc(caller.Roles, func(role string) bool { return slices.Contains(p.Roles, role) }) {
		return nil
	}
	return problem.New("policy_refused", "the key's policy does not list the caller")
}

// check holds a policy to what means something for a key of this use.
func (p Policy) check(key ElasticKey) error {
	for _, op := range p.Operations {
		if !op.uses() || !op.fits(key.Use) || op.listed() != op {
			return invalidMember("/policy/operations", "%q is nothing that a key for %s can do", op, useNoun(key.Use))
		}
	}
	for name, list := range map[string][]string{"clients": p.Clients, "roles": p.Roles} {
		if err := checkList("/policy/"+name, list); err != nil {
			return err
		}
	}
	if q := p.Quorum; q != nil {
		if err := checkList("/policy/quorum/approvers", q.Approvers); err != nil {
			return err
		}
		if q.Approvals < 1 || q.Approvals > len(q.Approvers) {
			return invalidMember("/policy/quorum/approvals", "from 1 to the number of approvers")
		}
	}
	return nil
}

// check holds a rotation to what means something for the key.
func (r Rotation) check(key ElasticKey) error {
	if r == (Rotation{}) {
		return nil
	}
	switch {
	case key.Origin == OriginImported:
		return invalidMember("/rotation", "a key that was imported gets its versions by import")
	case !key.VersioningAllowed:
		return invalidMember("/rotation", "the key does not allow further versions")
	case r.Every != 0 && (r.Every < minRotationPeriod || r.Every > maxRotationPeriod):
		return invalidMember("/rotation/every", "from an hour to ten years")
	case r.Uses < 0 || r.Bytes < 0:
		return invalidMember("/rotation", "uses and bytes are not negative")
	case r.NotifyBefore < 0 || r.NotifyBefore > 0 && r.NotifyBefore >= r.Every:
		return invalidMember("/rotation/notify_before", "shorter than every")
	}
	return nil
}

// next is when a version that becomes primary now is to be rotated; zero: at no certain time.
func (r Rotation) next(now time.Time) time.Time {
	if r.Every == 0 {
		return time.Time{}
	}
	return now.Add(r.Every)
}

func checkList(pointer string, list []string) error {
	const longest = 256
	if len(list) > maxPolicyMembers {
		return invalidMember(pointer, "at most %d members", maxPolicyMembers)
	}
	for i, member := range list {
		if member == "" || len(member) > longest || !storable(member) {
			return invalidMember(pointer, "members are texts of 1 to %d bytes", longest)
		}
		if slices.Contains(list[:i], member) {
			return invalidMember(pointer, "%q stands there twice", member)
		}
	}
	return nil
}
