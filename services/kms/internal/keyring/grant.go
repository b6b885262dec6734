package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Principal is somebody whom grants name: a user, a client, an API token, or a role and with it everybody who has it.
type Principal struct {
	Kind string
	ID   string // of a role also its name
}

// Grant lets somebody do some operations to one key, beyond the scopes that he has.
type Grant struct {
	ID         string // UUIDv7
	Grantee    Principal
	Operations []Operation
	Terms      Terms
	// Retiring is who may give the grant up beside the grantee, nil for nobody.
	Retiring *Principal
	// Maker is who made the grant.
	Maker     Principal
	ExpiresAt time.Time // zero: never
	CreatedAt time.Time
}

// Grants knows what callers may do to single keys beyond their scopes.
type Grants interface {
	// Terms are those of every grant in force by which the caller may use the scope on the key, "" for a grant without any; none: nothing was
	// granted. An error means that nobody can tell now.
	Terms(ctx context.Context, caller Caller, scope string, key ElasticKey) ([]string, error)
}

// GrantBook keeps grants. What it changes is part of the transaction of ctx and heard by other replicas.
type GrantBook interface {
	// Create adds a grant by the caller of the request, who must hold the scopes of all its operations.
	Create(ctx context.Context, key ElasticKey, g Grant) (Grant, error)
	// List reads up to limit grants on the key, by id, from after the id given.
	List(ctx context.Context, key ElasticKey, after string, limit int) ([]Grant, error)
	// Get reads a grant on the key, and tells whether the caller of the request may give it up; ErrNotFound.
	Get(ctx context.Context, key ElasticKey, id string) (g Grant, mine bool, err error)
	// Delete takes a grant on the key back; ErrNotFound.
	Delete(ctx context.Context, key ElasticKey, id string) error
	// Clear takes all grants on the key back.
	Clear(ctx context.Context, key ElasticKey) error
}

// Actions of events about grants.
const (
	ActionGrant       = "grant.create"
	ActionRevokeGrant = "grant.revoke"
	ActionRetireGrant = "grant.retire"
)

// Grantable are the operations that a grant can be of: those that use a key, and reading what it says of itself.
func Grantable() []Operation {
	return append(slices.DeleteFunc(Operations(), func(op Operation) bool { return !op.uses() }), OpRead)
}

// CreateGrant lets somebody do operations to a key. Nobody grants what he may not do himself: he has the scopes of all operations, and the
// key's policy admits him to them. What was only granted to him he cannot grant on.
func (k *Keyring) CreateGrant(ctx context.Context, caller Caller, ref Ref, ask Grant) (made Grant, key ElasticKey, err error) {
	if key, err = k.permitKey(ctx, caller, OpGrant, ref); err != nil {
		return Grant{}, ElasticKey{}, err
	}
	if err := k.grantable(caller, key, ask); err != nil {
		return Grant{}, ElasticKey{}, err
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if key, err = k.store.ElasticKey(ctx, key.Tenant, Ref(key.ID)); err != nil {
			return err
		}
		if !slices.Contains(lasting(), key.Status) {
			return errState("the key", string(key.Status), string(OpGrant), stateList(lasting()))
		}
		if made, err = k.book.Create(ctx, key, ask); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionGrant, Key: key, At: made.ExpiresAt, Detail: made.title()})
	})
	if errors.Is(err, ErrNotFound) { // deleted meanwhile
		return Grant{}, ElasticKey{}, errNotFound()
	}
	if err != nil {
		return Grant{}, ElasticKey{}, fmt.Errorf("grant: %w", err)
	}
	return made, key, nil
}

// grantable holds a grant to what its maker may give and what means something for the key.
func (k *Keyring) grantable(caller Caller, key ElasticKey, ask Grant) error {
	if len(ask.Operations) == 0 {
		return invalidMember("/operations", "at least one")
	}
	for i, op := range ask.Operations {
		switch {
		case !slices.Contains(Grantable(), op):
			return invalidMember("/operations", "each is one of %s", strings.Join(texted(Grantable()), ", "))
		case slices.Contains(ask.Operations[:i], op):
			return invalidMember("/operations", "%q stands there twice", op)
		case !op.fits(key.Use):
			return invalidMember("/operations", "%q is nothing that a key for %s can do", op, useNoun(key.Use))
		case !ask.Terms.empty() && !op.attributes().bound:
			return invalidMember("/constraints", "%q has no context that constraints could be about", op)
		}
		if err := decideScope(caller, op); err != nil {
			return err
		}
		if err := key.Policy.admits(caller, op); err != nil {
			return err
		}
	}
	if !ask.ExpiresAt.IsZero() && !k.instant().Before(ask.ExpiresAt) {
		return invalidMember("/expires_at", "in the future")
	}
	if r := ask.Retiring; r != nil && r.Kind == principalRole {
		return invalidMember("/retiring_principal/kind", "one person or program, no role")
	}
	return ask.Terms.check()
}

// principalRole is the kind of a principal that stands for many.
const principalRole = "role"

// Grants reads up to limit grants on a key, by id, from after the id given, with the key.
func (k *Keyring) Grants(ctx context.Context, caller Caller, ref Ref, after string, limit int) (ElasticKey, []Grant, error) {
	key, err := k.permitKey(ctx, caller, OpRead, ref)
	if err != nil {
		return ElasticKey{}, nil, err
	}
	grants, err := k.book.List(ctx, key, after, limit)
	if err != nil {
		return ElasticKey{}, nil, fmt.Errorf("list grants: %w", err)
	}
	return key, grants, nil
}

// Grant reads a grant on a key, with the key.
func (k *Keyring) Grant(ctx context.Context, caller Caller, ref Ref, id string) (ElasticKey, Grant, error) {
	key, err := k.permitKey(ctx, caller, OpRead, ref)
	if err != nil {
		return ElasticKey{}, Grant{}, err
	}
	g, _, err := k.findGrant(ctx, key, id)
	return key, g, err
}

// RevokeGrant takes a grant back.
func (k *Keyring) RevokeGrant(ctx context.Context, caller Caller, ref Ref, id string) (ElasticKey, error) {
	key, err := k.permitKey(ctx, caller, OpGrant, ref)
	if err != nil {
		return ElasticKey{}, err
	}
	g, _, err := k.findGrant(ctx, key, id)
	if err != nil {
		return ElasticKey{}, err
	}
	return key, k.endGrant(ctx, key, g, ActionRevokeGrant)
}

// RetireGrant gives a grant up. It is for the grantee and for the grant's retiring principal, who need no right to the key for it; to
// everybody else neither the grant nor the key exists.
func (k *Keyring) RetireGrant(ctx context.Context, caller Caller, ref Ref, id string) (ElasticKey, error) {
	if err := caller.belongs(); err != nil {
		return ElasticKey{}, err
	}
	if !ref.Names() {
		return ElasticKey{}, errNoGrant()
	}
	key, err := k.store.ElasticKey(ctx, caller.Tenant, ref)
	if errors.Is(err, ErrNotFound) {
		return ElasticKey{}, errNoGrant()
	}
	if err != nil {
		return ElasticKey{}, fmt.Errorf("load key: %w", err)
	}
	g, mine, err := k.findGrant(ctx, key, id)
	if err == nil && !mine {
		err = errNoGrant()
	}
	if err != nil {
		return ElasticKey{}, err
	}
	return key, k.endGrant(ctx, key, g, ActionRetireGrant)
}

func (k *Keyring) findGrant(ctx context.Context, key ElasticKey, id string) (Grant, bool, error) {
	if !isUUID(id) {
		return Grant{}, false, errNoGrant()
	}
	g, mine, err := k.book.Get(ctx, key, strings.ToLower(id))
	if errors.Is(err, ErrNotFound) {
		return Grant{}, false, errNoGrant()
	}
	if err != nil {
		return Grant{}, false, fmt.Errorf("read grant: %w", err)
	}
	return g, mine, nil
}

func (k *Keyring) endGrant(ctx context.Context, key ElasticKey, g Grant, action string) error {
	err := k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.book.Delete(ctx, key, g.ID); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: action, Key: key, Detail: g.title()})
	})
	if errors.Is(err, ErrNotFound) {
		return errNoGrant()
	}
	if err != nil {
		return fmt.Errorf("end grant: %w", err)
	}
	return nil
}

// clearGrants takes back what was granted on a key that is no more.
func (k *Keyring) clearGrants(ctx context.Context, key ElasticKey) error {
	if k.book == nil {
		return nil
	}
	return k.book.Clear(ctx, key)
}

// title is how the audit trail calls the grant.
func (g Grant) title() string {
	return fmt.Sprintf("%s: %s to %s %s", g.ID, strings.Join(texted(g.Operations), " "), g.Grantee.Kind, g.Grantee.ID)
}

// lasting are the states of a key that is not to be deleted.
func lasting() []ElasticStatus {
	return []ElasticStatus{
		ElasticActive, ElasticDisabled, ElasticPendingGenerate, ElasticGenerateFailed, ElasticPendingImport, ElasticImportFailed,
	}
}

// stateList is how errors name states.
func stateList[S ~string](states []S) string { return strings.Join(texted(states), " or ") }

// texted are words as texts.
func texted[S ~string](words []S) []string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	return texts
}

func errNoGrant() error { return problem.New("not_found", "no such grant") }
