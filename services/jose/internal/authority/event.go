package authority

import "context"

// Actions of an Event, beside "key." and "version." with the name of a transition.
const (
	ActionCreate        = "key.create"
	ActionImport        = "key.import"
	ActionExport        = "key.export"
	ActionUpdate        = "key.update"
	ActionRotate        = "key.rotate"
	ActionCreateProfile = "profile.create"
	ActionUpdateProfile = "profile.update"
	ActionDeleteProfile = "profile.delete"
	ActionRevoke        = "token.revoke"
	// Of the certificates of versions.
	ActionRequestCertificate = "certificate.request"
	ActionCertify            = "certificate.set"
	ActionUncertify          = "certificate.remove"
)

// Kinds of objects in events.
const (
	ObjectKey     = "key"
	ObjectProfile = "profile"
)

// Event is a change of state.
type Event struct {
	Tenant  string
	Action  string
	Kind    string // ObjectKey or ObjectProfile
	ID      string
	Version int64  // that it is about, or 0
	Detail  string // the algorithm of a key
}

// Events records changes.
type Events interface {
	// Record stores the event in the transaction of ctx; an error undoes the change. Outside a request it is the service's own.
	Record(ctx context.Context, e Event) error
}

func keyEvent(action string, key Key, version int64) Event {
	return Event{Tenant: key.Tenant, Action: action, Kind: ObjectKey, ID: key.ID, Version: version, Detail: key.Algorithm}
}
