package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// MAC is what MakeMAC returns.
type MAC struct {
	Used

	MAC       []byte
	Algorithm string
}

// MakeMAC computes the HMAC (RFC 2104) of a payload with the primary version.
func (k *Keyring) MakeMAC(ctx context.Context, caller Caller, ref Ref, payload []byte) (MAC, error) {
	if err := k.checkInline(payload); err != nil {
		return MAC{}, err
	}
	p, err := k.permit(ctx, caller, OpMAC, ref, 0)
	if err != nil {
		return MAC{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return MAC{}, err
	}
	defer held.release()
	k.count(p, len(payload))
	mac, err := jws.SignRaw(held.key, p.spec.Signature, jws.InputMessage, payload, jws.FormatRaw)
	if err != nil {
		return MAC{}, fmt.Errorf("mac: %w", err)
	}
	return MAC{Used: p.used(), MAC: mac, Algorithm: p.spec.Signature}, nil
}

// VerifyMAC checks a MAC, in constant time, with a version (0: the primary one). One that is not right is a verdict, not an error.
func (k *Keyring) VerifyMAC(ctx context.Context, caller Caller, ref Ref, payload []byte, mac string, version int64) (Verdict, error) {
	if err := k.checkInline(payload); err != nil {
		return Verdict{}, err
	}
	p, err := k.permit(ctx, caller, OpVerifyMAC, ref, version)
	if err != nil {
		return Verdict{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Verdict{}, err
	}
	defer held.release()
	k.count(p, len(payload))
	given, err := DecodeBytes(mac)
	if err != nil {
		return Verdict{Used: p.used()}, nil // no MAC is written like that
	}
	err = jws.VerifyRaw(held.key, p.spec.Signature, jws.InputMessage, payload, given, jws.FormatRaw)
	if err != nil && !errors.Is(err, jws.ErrVerification) {
		return Verdict{}, fmt.Errorf("verify mac: %w", err)
	}
	return Verdict{Used: p.used(), Valid: err == nil}, nil
}
