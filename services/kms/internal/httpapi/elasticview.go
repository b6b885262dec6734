package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// newKey is what a caller asks for, as the domain knows it.
func newKey(body CreateElasticKey) keyring.NewKey {
	return keyring.NewKey{
		Name:         body.Name,
		Description:  value(body.Description),
		Algorithm:    body.Algorithm,
		KeySize:      int(value(body.KeySize)),
		Curve:        string(value(body.Curve)),
		Tags:         value(body.Tags),
		Origin:       keyring.Origin(value(body.Origin)),
		Exportable:   value(body.Exportable),
		Published:    value(body.Published),
		FixedVersion: body.VersioningAllowed != nil && !*body.VersioningAllowed,
		NoImport:     body.ImportAllowed != nil && !*body.ImportAllowed,
		Policy:       policyOf(value(body.Policy)),
		Rotation:     rotationOf(value(body.Rotation)),
	}
}

func elasticKey(key keyring.ElasticKey) ElasticKey {
	view := ElasticKey{
		Id:                key.ID,
		Name:              key.Name,
		Description:       key.Description,
		Tags:              Tags{},
		Algorithm:         key.Algorithm,
		KeySize:           optional(key.KeySize),
		Curve:             optional(key.Curve),
		Use:               KeyUse(key.Use),
		Status:            ElasticKeyStatus(key.Status),
		Origin:            KeyOrigin(key.Origin),
		Exportable:        key.Exportable,
		Published:         key.Published,
		VersioningAllowed: key.VersioningAllowed,
		ImportAllowed:     key.ImportAllowed,
		PrimaryVersion:    key.PrimaryVersion,
		VersionCount:      key.VersionCount,
		MinDecryptVersion: key.MinDecryptVersion,
		MinEncryptVersion: key.MinEncryptVersion,
		Policy:            policyView(key.Policy),
		Rotation:          rotationView(key.Rotation),
		NextRotationAt:    moment(key.NextRotationAt),
		DeleteAt:          moment(key.DeleteAt),
		CreatedAt:         timestamp(key.CreatedAt),
		UpdatedAt:         timestamp(key.UpdatedAt),
	}
	if key.Tags != nil {
		view.Tags = key.Tags
	}
	if key.Status == keyring.ElasticPendingDelete {
		view.RefusedUses = &RefusedUses{Count: key.Refused.Count, LastRefusedAt: moment(key.Refused.LastUsedAt)}
	}
	return view
}

// policyOf and policyView are a policy as callers write and read it.
func policyOf(p KeyPolicy) keyring.Policy {
	policy := keyring.Policy{Clients: value(p.Clients), Roles: value(p.Roles)}
	for _, op := range value(p.Operations) {
		policy.Operations = append(policy.Operations, keyring.Operation(op))
	}
	if q := p.Quorum; q != nil {
		policy.Quorum = &keyring.Quorum{Approvals: q.Approvals, Approvers: q.Approvers}
	}
	return policy
}

func policyView(p keyring.Policy) KeyPolicy {
	var view KeyPolicy
	var operations []string
	for _, op := range p.Operations {
		operations = append(operations, string(op))
	}
	view.Operations, view.Clients, view.Roles = some(operations), some(p.Clients), some(p.Roles)
	if q := p.Quorum; q != nil {
		view.Quorum = &Quorum{Approvals: q.Approvals, Approvers: q.Approvers}
	}
	return view
}

// some is a list, or nil for an empty one, which is left out of JSON.
func some(list []string) *[]string {
	if len(list) == 0 {
		return nil
	}
	return &list
}

// rotationOf and rotationView are a rotation as callers write and read it.
func rotationOf(r Rotation) keyring.Rotation {
	return keyring.Rotation{
		Every: seconds(value(r.EverySeconds)), NotifyBefore: seconds(value(r.NotifyBeforeSeconds)), Uses: value(r.Uses), Bytes: value(r.Bytes),
	}
}

func rotationView(r keyring.Rotation) Rotation {
	return Rotation{
		EverySeconds: optional(int64(r.Every / time.Second)), NotifyBeforeSeconds: optional(int64(r.NotifyBefore / time.Second)),
		Uses: optional(r.Uses), Bytes: optional(r.Bytes),
	}
}

// seconds is a duration; one that does not fit is one that the domain refuses as too long, or too short.
func seconds(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(min(max(n, -most), most)) * time.Second
}

// narrowed is the filter and the order of a list.
func narrowed(params ListElasticKeysParams) (keyring.Filter, keyring.Sort) {
	filter := keyring.Filter{
		ID:                value(params.Id),
		Name:              value(params.Name),
		Algorithm:         value(params.Algorithm),
		Status:            keyring.ElasticStatus(value(params.Status)),
		VersioningAllowed: params.VersioningAllowed,
		ImportAllowed:     params.ImportAllowed,
	}
	name, wanted, valued := strings.Cut(value(params.Tag), "=")
	filter.TagName = name
	if valued {
		filter.TagValue = &wanted
	}
	sort := keyring.Sort(value(params.Sort))
	if sort == "" {
		sort = keyring.SortID
	}
	return filter, sort
}

// asTexts is a filter as a cursor is bound to it.
func asTexts(f keyring.Filter) []string {
	ternary := func(condition *bool) string {
		if condition == nil {
			return ""
		}
		return strconv.FormatBool(*condition)
	}
	tag := f.TagName
	if f.TagValue != nil {
		tag += "=" + *f.TagValue
	}
	return []string{f.ID, f.Name, f.Algorithm, string(f.Status), tag, ternary(f.VersioningAllowed), ternary(f.ImportAllowed)}
}

// mark is what a page ends with in an order.
func mark(key keyring.ElasticKey, sort keyring.Sort) string {
	if sort == keyring.SortName || sort == keyring.SortNameDown {
		return key.Name
	}
	return key.ID
}
