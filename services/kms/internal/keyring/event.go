package keyring

import "context"

// Actions of an Event.
const (
	ActionCreate = "key.create"
	ActionRotate = "key.rotate"
)

// Event is a change of a key.
type Event struct {
	Action  string
	Key     ElasticKey
	Version int64 // that was added
}

// Events records changes.
type Events interface {
	// Record stores the event in the transaction of ctx; an error undoes the change.
	Record(ctx context.Context, e Event) error
}

// record stores an event, if anybody wants it.
func (k *Keyring) record(ctx context.Context, e Event) error {
	if k.events == nil {
		return nil
	}
	return k.events.Record(ctx, e)
}
