package keyring

import "context"

// ReencryptRequest asks for a message to be encrypted anew.
type ReencryptRequest struct {
	Ciphertext string
	// Target is the key to encrypt to; empty: the same one, with the version that is primary now.
	Target Ref
	// Context is what the message is bound to, NewContext what the new one is; nil: the same.
	Context    Context
	NewContext Context
}

// Reencrypted is what Reencrypt returns.
type Reencrypted struct {
	Encrypted // under the target

	Source Used
}

// Reencrypt opens a message and encrypts its content anew. The plaintext does not leave. The key that the message is under must let it be
// read, and the one that it is encrypted to must let it be made.
func (k *Keyring) Reencrypt(ctx context.Context, caller Caller, ref Ref, ask ReencryptRequest) (Reencrypted, error) {
	target, bind := ask.Target, ask.NewContext
	if target == "" {
		target = ref
	}
	if bind == nil {
		bind = ask.Context
	}
	// Asked first, so that nothing is opened for somebody who may not have it made anew.
	maker, _, err := caller.with(bind)
	if err != nil {
		return Reencrypted{}, err
	}
	if _, err := k.permit(ctx, maker, opReencryptTo, target, 0); err != nil {
		return Reencrypted{}, err
	}
	opened, source, err := k.unseal(ctx, caller, OpReencrypt, ref, ask.Context, ask.Ciphertext)
	if err != nil {
		return Reencrypted{}, err
	}
	defer clear(opened.text)
	made, err := k.seal(ctx, caller, opReencryptTo, target, bind, opened)
	if err != nil {
		return Reencrypted{}, err
	}
	return Reencrypted{Encrypted: made, Source: source}, nil
}
