package keyring

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// RecipientLife is how long a restore recipient can be used.
	RecipientLife = 24 * time.Hour
	// PurposeRecipient is the barrier's label for keys of recipients. It never changes.
	PurposeRecipient = "kms/restore-recipient"
)

// RestoreRecipient is a one-shot key to which a backup is encrypted that is to be restored here.
type RestoreRecipient struct {
	Tenant     string
	ID         string // UUIDv7
	WrappedKey string // empty once it is used
	UsedFor    string // the SHA-256 of the backup that used it
	Report     string // of that restore
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

func (r RestoreRecipient) binding() barrier.Binding {
	return barrier.Binding{Tenant: r.Tenant, Purpose: PurposeRecipient, ID: r.ID}
}

// NewRecipient makes a recipient and returns it with its public JWK.
func (k *Keyring) NewRecipient(ctx context.Context, caller Caller) (RestoreRecipient, []byte, error) {
	if err := decideScope(caller, OpRestore); err != nil {
		return RestoreRecipient{}, nil, err
	}
	spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "P-384")
	if err != nil {
		return RestoreRecipient{}, nil, err
	}
	wrapper, err := k.barrier.Tenant(ctx, caller.Tenant)
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("open barrier for tenant: %w", err)
	}
	key, err := k.generator.Take(ctx, spec)
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("generate key of recipient: %w", err)
	}
	defer key.Zero()
	now := k.instant()
	r := RestoreRecipient{Tenant: caller.Tenant, CreatedAt: now, ExpiresAt: now.Add(RecipientLife)}
	if r.ID, err = newID(); err != nil {
		return RestoreRecipient{}, nil, err
	}
	private, err := key.MarshalPrivate()
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("encode key of recipient: %w", err)
	}
	defer clear(private)
	if r.WrappedKey, err = wrapper.Wrap(r.binding(), private); err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("wrap key of recipient: %w", err)
	}
	public, err := key.MarshalPublic()
	if err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("encode key of recipient: %w", err)
	}
	if err := k.store.InsertRecipient(ctx, r); err != nil {
		return RestoreRecipient{}, nil, fmt.Errorf("store recipient: %w", err)
	}
	return r, public, nil
}

func errNoRecipient() error { return problem.New(problem.NotFound, "no such recipient") }
