package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// newKey is what a caller asks for, as the domain knows it.
func newKey(body CreateElasticKey) keyring.NewKey {
	return keyring.NewKey{
		Name:         body.Name,
		Description:  apivalue.Of(body.Description),
		Algorithm:    body.Algorithm,
		KeySize:      int(apivalue.Of(body.KeySize)),
		Curve:        string(apivalue.Of(body.Curve)),
		Tags:         apivalue.Of(body.Tags),
		Origin:       keyring.Origin(apivalue.Of(body.Origin)),
		Exportable:   apivalue.Of(body.Exportable),
		Published:    apivalue.Of(body.Published),
		FixedVersion: body.VersioningAllowed != nil && !*body.VersioningAllowed,
		NoImport:     body.ImportAllowed != nil && !*body.ImportAllowed,
		Policy:       policyOf(apivalue.Of(body.Policy)),
		Rotation:     rotationOf(apivalue.Of(body.Rotation)),
	}
}

func elasticKey(key keyring.ElasticKey) ElasticKey {
	view := ElasticKey{
		Id:                key.ID,
		Name:              key.Name,
		Description:       key.Description,
		Tags:              Tags{},
		Algorithm:         key.Algorithm,
		KeySize:           apivalue.Optional(key.KeySize),
		Curve:             apivalue.Optional(key.Curve),
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
		NextRotationAt:    apivalue.OptionalTimestamp(key.NextRotationAt),
		DeleteAt:          apivalue.OptionalTimestamp(key.DeleteAt),
		CreatedAt:         apivalue.Timestamp(key.CreatedAt),
		UpdatedAt:         apivalue.Timestamp(key.UpdatedAt),
	}
	if key.Tags != nil {
		view.Tags = key.Tags
	}
	if key.Status == keyring.ElasticPendingDelete {
		view.RefusedUses = &RefusedUses{Count: key.Refused.Count, LastRefusedAt: apivalue.OptionalTimestamp(key.Refused.LastUsedAt)}
	}
	return view
}

// policyOf and policyView are a policy as callers write and read it.
func policyOf(p KeyPolicy) keyring.Policy {
	policy := keyring.Policy{Clients: apivalue.Of(p.Clients), Roles: apivalue.Of(p.Roles)}
	for _, op := range apivalue.Of(p.Operations) {
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
		Every: seconds(apivalue.Of(r.EverySeconds)), NotifyBefore: seconds(apivalue.Of(r.NotifyBeforeSeconds)), Uses: apivalue.Of(r.Uses), Bytes: apivalue.Of(r.Bytes),
	}
}

func rotationView(r keyring.Rotation) Rotation {
	return Rotation{
		EverySeconds: apivalue.Optional(int64(r.Every / time.Second)), NotifyBeforeSeconds: apivalue.Optional(int64(r.NotifyBefore / time.Second)),
		Uses: apivalue.Optional(r.Uses), Bytes: apivalue.Optional(r.Bytes),
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
		ID:                apivalue.Of(params.Id),
		Name:              apivalue.Of(params.Name),
		Algorithm:         apivalue.Of(params.Algorithm),
		Status:            keyring.ElasticStatus(apivalue.Of(params.Status)),
		VersioningAllowed: params.VersioningAllowed,
		ImportAllowed:     params.ImportAllowed,
	}
	name, wanted, valued := strings.Cut(apivalue.Of(params.Tag), "=")
	filter.TagName = name
	if valued {
		filter.TagValue = &wanted
	}
	sort := keyring.Sort(apivalue.Of(params.Sort))
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
