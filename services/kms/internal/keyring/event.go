package keyring

import (
	"context"
	"time"
)

// Actions of an Event, beside "key." and "version." with the name of a transition.
const (
	ActionCreate     = "key.create"
	ActionUpdate     = "key.update"
	ActionRotate     = "key.rotate"
	ActionSetPrimary = "version.set-primary"
	ActionAlias      = "alias.create"
	ActionMoveAlias  = "alias.move"
	ActionUnalias    = "alias.delete"
	ActionNotice     = "key.rotation-due"
	ActionImportJob  = "import-job.create"
	ActionImport     = "key.import"
	ActionExport     = "key.export"
)

// Event is a change of a key.
type Event struct {
	Action  string
	Key     ElasticKey
	Version int64     // that it is about, or 0
	At      time.Time // that was set or is announced; zero for none
	Detail  string    // a name or a reason, where the action alone does not tell
}

// Events records changes.
type Events interface {
	// Record stores the event in the transaction of ctx; an error undoes the change. Outside a request it is the service's own.
	Record(ctx context.Context, e Event) error
}

// record stores an event, if anybody wants it.
func (k *Keyring) record(ctx context.Context, e Event) error {
	if k.events == nil {
		return nil
	}
	return k.events.Record(ctx, e)
}
