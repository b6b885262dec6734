package keyring

import (
	"context"
	"errors"
	"time"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another elastic key of the tenant has the name, as its own or as an alias.
	ErrNameTaken = errors.New("name taken")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Transactor runs fn in one transaction that travels in the context: all of it is stored, or nothing.
type Transactor interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
}

// ElasticKeyStore keeps elastic keys. Every change counts a revision and is heard by other replicas.
type ElasticKeyStore interface {
	// InsertElasticKey stores a new key with its name and tags; ErrNameTaken if the tenant has one of that name.
	InsertElasticKey(ctx context.Context, key ElasticKey) error
	// ElasticKey reads a key by UUID, name or alias; ErrNotFound.
	ElasticKey(ctx context.Context, tenant string, ref Ref) (ElasticKey, error)
	// ElasticKeys reads up to limit keys in the list's order.
	ElasticKeys(ctx context.Context, tenant string, list KeyList) ([]ElasticKey, error)
	// UpdateElasticKey stores what an update may change (description, tags, minima, policy, rotation, what is allowed) if the row still has
	// the revision of key; ErrStale otherwise. It returns the key as it is now.
	UpdateElasticKey(ctx context.Context, key ElasticKey) (ElasticKey, error)
	// MoveElasticKey changes the state, if the row is in one of the transition's; ErrStale otherwise. deleteAt is zero but for a deletion that
	// waits. A key that is deleted gives up its names. It returns the key as it is now.
	MoveElasticKey(ctx context.Context, tenant, id string, t Transition[ElasticStatus], deleteAt, now time.Time) (ElasticKey, error)
	// AddVersion takes the next version number and makes it primary, if the key is in the state and has the primary version given (0: any);
	// ErrStale otherwise. It returns the number.
	AddVersion(ctx context.Context, key ElasticKey, ifPrimary int64) (int64, error)
	// SetPrimary makes an enabled version of an active or disabled key the primary one; ErrStale if there is none such.
	SetPrimary(ctx context.Context, key ElasticKey, version int64) (ElasticKey, error)
}

// MaterialKeyStore keeps material keys.
type MaterialKeyStore interface {
	// InsertMaterialKey stores a new version.
	InsertMaterialKey(ctx context.Context, key MaterialKey) error
	// MaterialKeys reads up to limit versions of a key, newest first, below the version given (0: from the newest).
	MaterialKeys(ctx context.Context, tenant, elasticID string, below int64, limit int) ([]MaterialKey, error)
	// AllMaterialKeys reads up to limit versions of all keys, in order of id, from after the id given.
	AllMaterialKeys(ctx context.Context, tenant string, filter VersionFilter, afterID string, limit int) ([]ListedVersion, error)
	// MaterialKeyByID reads a version by its UUID; ErrNotFound.
	MaterialKeyByID(ctx context.Context, tenant, elasticID, id string) (MaterialKey, error)
	// KeyVersion reads a key and one of its versions (0: the primary one) in one statement; ErrNotFound if either is missing.
	KeyVersion(ctx context.Context, tenant string, ref Ref, version int64) (ElasticKey, MaterialKey, error)
	// MoveMaterialKey changes the state, if the row is in one of the transition's; ErrStale otherwise. What the new state is without goes:
	// the material of destroyed and of expired versions. It returns the version as it is now.
	MoveMaterialKey(ctx context.Context, key MaterialKey, t Transition[VersionStatus], destroyAt, now time.Time) (MaterialKey, error)
	// FillMaterialKey gives a version that awaits its material just that; ErrStale if it does not.
	FillMaterialKey(ctx context.Context, key MaterialKey) error
}

// UseStore counts uses. Nothing that it stores is heard by other replicas.
type UseStore interface {
	// ReserveUses adds n to a version's count of uses and returns the new count.
	ReserveUses(ctx context.Context, key MaterialKey, n int64) (int64, error)
	// AddUses adds what versions of a tenant have done and what was refused while a key waits for its deletion.
	AddUses(ctx context.Context, tenant string, uses []VersionUses) error
	// Uses reads what versions of a key have done, by number, newest first, below the version given (0: from the newest).
	Uses(ctx context.Context, tenant, elasticID string, below int64, limit int) (map[int64]Uses, error)
	// RefusedUses reads how often use of a key was refused while it waits for its deletion.
	RefusedUses(ctx context.Context, tenant, elasticID string) (Uses, error)
}

// AliasStore keeps further names of keys.
type AliasStore interface {
	// InsertAlias makes an alias; ErrNameTaken, or ErrStale if there is no such key (any more).
	InsertAlias(ctx context.Context, alias Alias) error
	// MoveAlias gives an alias that still has the revision of alias to another key; ErrStale otherwise. It returns the alias as it is now.
	MoveAlias(ctx context.Context, alias Alias) (Alias, error)
	// DeleteAlias takes an alias away; ErrNotFound.
	DeleteAlias(ctx context.Context, tenant, name string) error
	// Alias reads one; ErrNotFound.
	Alias(ctx context.Context, tenant, name string) (Alias, error)
	// Aliases reads up to limit aliases, of one key or of all (""), in order of name, from after the name given.
	Aliases(ctx context.Context, tenant, elasticID, after string, limit int) ([]Alias, error)
}

// DueStore finds what time has come for, and brings it about.
type DueStore interface {
	// Due reads up to limit ids of keys of a tenant for which there is something to do at the time.
	Due(ctx context.Context, tenant string, what DueKind, now time.Time, limit int) ([]Due, error)
	// DeleteElasticKey is MoveElasticKey for a key whose end was to come by the time due; ErrStale otherwise.
	DeleteElasticKey(ctx context.Context, tenant, id string, t Transition[ElasticStatus], due, now time.Time) (ElasticKey, error)
	// EndMaterialKey is MoveMaterialKey for a version whose destruction or expiry was to come by the time due; ErrStale otherwise.
	EndMaterialKey(ctx context.Context, key MaterialKey, t Transition[VersionStatus], due, now time.Time) (MaterialKey, error)
	// MarkNotified remembers that the next rotation of the key as given has been announced; ErrStale if it was, or is at another time.
	MarkNotified(ctx context.Context, key ElasticKey) error
	// Testify notes how far the service knows that time has come.
	Testify(ctx context.Context, at time.Time) error
}

// SweepStore clears what has had its time.
type SweepStore interface {
	// Sweep takes away, of a tenant, the wrapping keys of import jobs and of restore recipients that have expired by now, and the rows of
	// import jobs that had expired by old.
	Sweep(ctx context.Context, tenant string, now, old time.Time) error
}

// DueKind is what there is to do.
type DueKind string

// Kinds of what there is to do.
const (
	DueRotation    DueKind = "rotation"    // by age
	DueUsage       DueKind = "usage"       // rotation by count or bytes
	DueDeletion    DueKind = "deletion"    // of a key
	DueDestruction DueKind = "destruction" // of a version
	DueExpiry      DueKind = "expiry"      // of imported material
	DueNotice      DueKind = "notice"      // of a rotation that is near
	DueGeneration  DueKind = "generation"  // of a first version
)

// Due is a key or a version that something is to be done to.
type Due struct {
	ElasticKeyID string
	Version      int64 // 0 for the key as a whole
}

// Store is all that the domain asks of a database.
type Store interface {
	Transactor
	ElasticKeyStore
	MaterialKeyStore
	UseStore
	AliasStore
	DueStore
	SweepStore
	BackupStore
	ReportStore
	ImportJobStore
	AttestationStore
}

// Filter narrows a list of elastic keys; empty fields match everything.
type Filter struct {
	ID        string
	Name      string
	Algorithm string
	Status    ElasticStatus
	// TagName matches keys with the tag, TagValue those that have it with this value; nil matches every value.
	TagName  string
	TagValue *string
	// VersioningAllowed and ImportAllowed are nil where they do not matter.
	VersioningAllowed, ImportAllowed *bool
}

// Sort is the order of a list of elastic keys.
type Sort string

// Sorts: by id is by time of creation.
const (
	SortID       Sort = "id"
	SortIDDown   Sort = "-id"
	SortName     Sort = "name"
	SortNameDown Sort = "-name"
)

// KeyList asks for part of the list of elastic keys.
type KeyList struct {
	Filter
	Sort Sort
	// After is what the page before ended with: an id, or a name where names order the list; "" from the beginning.
	After string
	Limit int
}

// VersionFilter narrows a list of versions; empty fields match everything.
type VersionFilter struct {
	Status    VersionStatus
	Algorithm string
}

// ListedVersion is a version in a list across keys.
type ListedVersion struct {
	MaterialKey
	Primary bool
}

// Alias is a further name of a key.
type Alias struct {
	Tenant       string
	Name         string
	ElasticKeyID string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	// Revision counts changes, from 1.
	Revision int64
}

// VersionUses is what a version has done since it was last stored.
type VersionUses struct {
	ElasticKeyID string
	Version      int64 // 0: refused uses of the key
	Uses
	// Counted tells that the count of uses is kept by ReserveUses already.
	Counted bool
}
