package httpapi

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// encryptAsk is the body of encrypt, and decryptAsk that of decrypt.
type (
	encryptAsk struct {
		plaintext []byte
		bind      keyring.Context
	}
	decryptAsk struct {
		ciphertext string
		bind       keyring.Context
	}
)

func readEncrypt(object []byte) (ask encryptAsk, err error) {
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		switch name {
		case "plaintext":
			return readBytes(r, "/plaintext", &ask.plaintext)
		case "context":
			return readContext(r, &ask.bind)
		}
		return false, nil
	})
	if err == nil && ask.plaintext == nil {
		err = missing("/plaintext")
	}
	return ask, err
}

func readDecrypt(object []byte) (ask decryptAsk, err error) {
	there := false
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		switch name {
		case "ciphertext":
			there = true
			return readText(r, &ask.ciphertext)
		case "context":
			return readContext(r, &ask.bind)
		}
		return false, nil
	})
	if err == nil && !there {
		err = missing("/ciphertext")
	}
	return ask, err
}

// encrypt is POST /elastic-keys/{id}/encrypt.
func (h *Operations) encrypt() action[encryptAsk, keyring.Encrypted] {
	return action[encryptAsk, keyring.Encrypted]{
		op: keyring.OpEncrypt, name: "encrypt", read: readEncrypt,
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask encryptAsk) (keyring.Encrypted, error) {
			defer clear(ask.plaintext)
			return h.keys.Encrypt(ctx, who, ref, ask.plaintext, ask.bind)
		},
		uses: func(name string, e keyring.Encrypted) uses { return single(name, e.Used) },
		write: func(out []byte, e keyring.Encrypted) ([]byte, error) {
			return appendUsed(appendPlain(out, "ciphertext", e.Ciphertext), e.Used), nil
		},
		octets: &octets[encryptAsk, keyring.Encrypted]{
			headers: []string{headerContext},
			read: func(header http.Header, _ string, body []byte) (ask encryptAsk, err error) {
				// A copy, since the plaintext is cleared and the body is not ours.
				ask.plaintext = append([]byte{}, body...)
				ask.bind, err = contextOf(header)
				return ask, err
			},
			write: func(header http.Header, e keyring.Encrypted) (string, []byte, error) {
				tell(header, e.Used)
				return typeJOSE, []byte(e.Ciphertext), nil
			},
		},
	}
}

// decrypt is POST /elastic-keys/{id}/decrypt.
func (h *Operations) decrypt() action[decryptAsk, keyring.Decrypted] {
	return action[decryptAsk, keyring.Decrypted]{
		op: keyring.OpDecrypt, name: "decrypt", read: readDecrypt,
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask decryptAsk) (keyring.Decrypted, error) {
			return h.keys.Decrypt(ctx, who, ref, ask.ciphertext, ask.bind)
		},
		uses: func(name string, d keyring.Decrypted) uses { return single(name, d.Used) },
		write: func(out []byte, d keyring.Decrypted) ([]byte, error) {
			out = appendUsed(appendBytes(out, "plaintext", d.Plaintext), d.Used)
			clear(d.Plaintext)
			return out, nil
		},
		octets: &octets[decryptAsk, keyring.Decrypted]{
			headers: []string{headerContext},
			read: func(header http.Header, _ string, body []byte) (ask decryptAsk, err error) {
				ask.ciphertext = string(body)
				ask.bind, err = contextOf(header)
				return ask, err
			},
			write: func(header http.Header, d keyring.Decrypted) (string, []byte, error) {
				tell(header, d.Used)
				return typeOctets, d.Plaintext, nil
			},
		},
	}
}
