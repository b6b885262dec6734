package httpapi

import (
	"context"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// reencrypt is POST /elastic-keys/{id}/reencrypt.
func (h *Operations) reencrypt() action[ReencryptRequest, keyring.Reencrypted] {
	return action[ReencryptRequest, keyring.Reencrypted]{
		op: keyring.OpReencrypt, name: "reencrypt", read: decode[ReencryptRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask ReencryptRequest) (keyring.Reencrypted, error) {
			question := keyring.ReencryptRequest{
				Ciphertext: ask.Ciphertext, Target: keyring.Ref(apivalue.Of(ask.Target)), Context: keyring.Context(apivalue.Of(ask.Context)),
			}
			if ask.NewContext != nil {
				question.NewContext = keyring.Context(*ask.NewContext)
			}
			return h.keys.Reencrypt(ctx, who, ref, question)
		},
		uses: func(name string, r keyring.Reencrypted) uses {
			return uses{used(name, r.Source), used("reencrypt-to", r.Used)}
		},
		write: func(out []byte, r keyring.Reencrypted) ([]byte, error) {
			out = append(appendPlain(out, "ciphertext", r.Ciphertext), `,"source_version":`...)
			return appendUsed(strconv.AppendInt(out, r.Source.Version, 10), r.Used), nil
		},
	}
}
