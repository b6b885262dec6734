package jwe

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MaxRecipients is the number of recipients that one message may have.
const MaxRecipients = 16

// Message is a message in any serialization that was taken apart and of which nothing is authentic.
type Message struct {
	// Serialization is the one it was read from.
	Serialization Serialization
	// Headers are what the headers say to each recipient, one to MaxRecipients: the protected one, the
	// shared one and the recipient's own, taken together. [Message.Decrypt] returns what is authentic.
	Headers []Header
	// AAD is what the message carries in the clear and authenticates; nil if there is none.
	AAD []byte

	protected, shared []byte // texts
	own               [][]byte
	encryptedKeys     []string
	parts             parts
	aad               string // encoded
}

// Parse takes a message apart: JSON serialization, flattened or general (RFC 7516 section 7.2), if its
// first character is a brace, otherwise compact. Errors have the code invalid_jwe. allow is what its
// headers may contain beyond the usual; [Message.Decrypt] asks once more.
func Parse(text []byte, allow Allow) (*Message, error) {
	if len(text) > MaxSize {
		return nil, errSize
	}
	m := new(Message)
	var err error
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		err = m.parseJSON(text, &allow)
	} else {
		err = m.parseCompact(string(text))
	}
	if err != nil {
		return nil, err
	}
	if m.parts.header != "" {
		if m.protected, err = base64url.Decode(m.parts.header); err != nil {
			return nil, errHeaderEncoding
		}
	}
	if err := m.parseHeaders(&allow); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Message) parseCompact(compact string) (err error) {
	m.Serialization = Compact
	if m.parts, err = split(compact); err != nil {
		return err
	}
	m.own, m.encryptedKeys = [][]byte{nil}, []string{m.parts.encryptedKey}
	return nil
}

// parseHeaders reads what the headers say to each recipient.
func (m *Message) parseHeaders(allow *Allow) error {
	for i := range m.own {
		if err := joseheader.CheckDisjoint(m.protected, m.shared, m.own[i]); err != nil {
			return fault.New(fault.InvalidJWE, "%w", err)
		}
		h, _, err := m.joint(i, allow)
		if err != nil {
			return err
		}
		m.Headers = append(m.Headers, h)
		if h.Algorithm == "" || h.Encryption == "" {
			return errNoAlgorithm
		}
		if h.Encryption != m.Headers[0].Encryption { // RFC 7516 section 7.2.1
			return fault.New(fault.InvalidJWE, `recipients disagree about "enc"`)
		}
		if management, err := alg.LookupKeyManagement(h.Algorithm); err == nil && len(m.own) > 1 && alone(management) {
			return fault.New(fault.InvalidJWE, "%s has one recipient alone", h.Algorithm)
		}
	}
	return nil
}

// alone says whether an algorithm determines the content encryption key, so that no other recipient can
// have the same (RFC 7516 section 5.1 steps 1 to 3).
func alone(management alg.KeyManagement) bool {
	return management.Family == alg.Direct || management.Family == alg.ECDHES
}

// joint reads the headers of one recipient as if they were one: no member stands in two of them.
func (m *Message) joint(index int, allow *Allow, likely ...string) (Header, parameters, error) {
	if m.shared == nil && m.own[index] == nil {
		return parseHeader(m.protected, allow, likely...)
	}
	text := []byte{'{'}
	for _, header := range [...][]byte{m.protected, m.shared, m.own[index]} {
		header = bytes.TrimSpace(header)
		if len(header) < 2 {
			continue
		}
		members := bytes.TrimSpace(header[1 : len(header)-1])
		if len(members) > 0 && len(text) > 1 {
			text = append(text, ',')
		}
		text = append(text, members...)
	}
	return parseHeader(append(text, '}'), allow, likely...)
}

func (m *Message) parseJSON(text []byte, allow *Allow) error {
	var list, unprotected []byte
	var flat rawRecipient
	texts := map[string]*string{"protected": &m.parts.header, "iv": &m.parts.iv, "ciphertext": &m.parts.ciphertext, "tag": &m.parts.tag, "aad": &m.aad}
	seen := map[string]bool{}
	err := strictjson.Object(text, func(name, value []byte) error {
		to := texts[string(name)]
		switch {
		case to != nil:
			var err error
			if *to, err = strictjson.String(value); err != nil {
				return fmt.Errorf("member %q: %w", name, err)
			}
			seen[string(name)] = true
		case string(name) == "unprotected":
			unprotected = value
		case string(name) == "recipients":
			list = value
		default:
			flat.member(string(name), value)
		}
		return nil // RFC 7516 section 7.2.1: members it does not know are ignored
	})
	if err == nil {
		err = m.checkParts(seen)
	}
	if err == nil && unprotected != nil {
		m.shared = unprotected
		_, err = joseheader.ReadUnprotected(unprotected, allow.permits)
	}
	if err == nil {
		err = m.parseRecipients(list, &flat, allow)
	}
	if err != nil {
		return fault.New(fault.InvalidJWE, "%w", err)
	}
	return nil
}

// checkParts wants every part that all of our content encryptions make, and none that is there and empty.
func (m *Message) checkParts(seen map[string]bool) (err error) {
	switch {
	case !seen["iv"] || !seen["ciphertext"] || !seen["tag"]:
		return errors.New("a part is missing")
	case seen["protected"] && m.parts.header == "":
		return errors.New("the protected header is empty")
	case len(m.parts.header) > joseheader.MaxEncoded:
		return errHeaderSize
	case seen["aad"] && m.aad == "":
		return errors.New("the additional authenticated data are empty")
	case seen["aad"]:
		m.AAD, err = base64url.Decode(m.aad)
		return err
	default:
		return nil
	}
}

func (m *Message) parseRecipients(list []byte, flat *rawRecipient, allow *Allow) error {
	if list == nil {
		m.Serialization = Flattened
		return m.add(flat, allow)
	}
	if flat.header != nil {
		return errBothForms
	}
	m.Serialization = General
	err := strictjson.Array(list, func(element []byte) error {
		if len(m.own) == MaxRecipients {
			return fmt.Errorf("more than %d recipients", MaxRecipients)
		}
		var raw rawRecipient
		err := strictjson.Object(element, func(name, value []byte) error {
			raw.member(string(name), value)
			return nil
		})
		if err != nil {
			return err
		}
		return m.add(&raw, allow)
	})
	switch {
	case err != nil:
		return err
	case len(m.own) == 0:
		return errors.New("no recipient")
	case flat.encryptedKey != nil && string(flat.encryptedKey) != `"`+m.encryptedKeys[0]+`"`:
		// go-jose repeats the first recipient's there, which says nothing new.
		return errBothForms
	default:
		return nil
	}
}

var errBothForms = errors.New("both flattened and general")

// rawRecipient holds the texts of the members of one recipient; nil members were absent.
type rawRecipient struct {
	header, encryptedKey []byte
}

func (r *rawRecipient) member(name string, value []byte) {
	switch name {
	case "header":
		r.header = value
	case "encrypted_key":
		r.encryptedKey = value
	}
}

func (m *Message) add(raw *rawRecipient, allow *Allow) (err error) {
	encryptedKey := ""
	if raw.encryptedKey != nil {
		if encryptedKey, err = strictjson.String(raw.encryptedKey); err != nil {
			return fmt.Errorf("encrypted key: %w", err)
		}
		if encryptedKey == "" {
			return errors.New("an encrypted key is empty")
		}
	}
	if raw.header != nil {
		if _, err := joseheader.ReadUnprotected(raw.header, allow.permits); err != nil {
			return err
		}
	}
	m.own = append(m.own, raw.header)
	m.encryptedKeys = append(m.encryptedKeys, encryptedKey)
	return nil
}

// Decrypt decrypts the message for one of its recipients as [Decrypt] does and returns the plaintext and
// the protected header, which is authentic then, as AAD is. Where "enc" is not protected, the caller or the
// key must name it.
func (m *Message) Decrypt(index int, key *jwk.Key, expect Expect) ([]byte, Header, error) {
	if index < 0 || index >= len(m.own) {
		return nil, Header{}, fault.New(fault.InvalidInput, "decrypt: the message has no recipient %d", index)
	}
	management, encryption, err := mayDecrypt(key, &expect)
	if err != nil {
		return nil, Header{}, err
	}
	h, p, err := m.joint(index, &expect.Allow, management.Name, encryption, key.ID)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt: %w", err)
	}
	var authentic Header
	if m.protected != nil {
		if authentic, _, err = parseHeader(m.protected, &expect.Allow, management.Name, encryption, key.ID); err != nil {
			return nil, Header{}, fmt.Errorf("decrypt: %w", err)
		}
	}
	if authentic.Encryption == "" && encryption == "" {
		return nil, Header{}, fault.New(fault.InvalidJWE, `decrypt: "enc" is not protected, and nobody says which is expected`)
	}
	w := workspaces.Get().(*workspace) //nolint:forcetypeassert // the pool holds nothing else
	defer w.release()
	w.out = append(w.out[:0], m.parts.header...)
	if m.aad != "" {
		w.out = append(append(w.out, '.'), m.aad...) // RFC 7516 section 5.2 step 15
	}
	parts := m.parts
	parts.encryptedKey = m.encryptedKeys[index]
	plaintext, err := w.decrypt(key, management, encryption, &h, p, parts, &expect.Allow)
	if err != nil {
		return nil, Header{}, err
	}
	return plaintext, authentic, nil
}
