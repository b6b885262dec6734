package jwe

import (
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Serialization is the form of a message (RFC 7516 section 7).
type Serialization string

// The serializations.
const (
	Compact   Serialization = "compact"   // one recipient, protected header alone
	Flattened Serialization = "flattened" // JSON, one recipient
	General   Serialization = "general"   // JSON, one to MaxRecipients recipients
)

// Draft is a message to be encrypted.
type Draft struct {
	// Serialization is the form that the message gets.
	Serialization Serialization
	// Protected is the header for all recipients. What it says about a key is the recipients' instead:
	// Algorithm, KeyID and the party information stay empty.
	Protected Header
	// Unprotected are members of the shared header that anybody may change on the way.
	Unprotected map[string]any
	// AAD is carried in the clear and authenticated. Compact serialization has none.
	AAD []byte
	// Plaintext is what is encrypted.
	Plaintext []byte
	// Recipients can each decrypt the message. With dir and ECDH-ES there is one alone.
	Recipients []Recipient
}

// Recipient is one for whom a message is encrypted. In general serialization its algorithm and what that
// needs stand in a header of its own, which is not protected (RFC 7516 section 7.2.1).
type Recipient struct {
	// Key may be public.
	Key *jwk.Key
	// Algorithm is the "alg"; empty means the key's.
	Algorithm string
	// KeyID is the "kid"; empty means the key's.
	KeyID string
	// PartyUInfo and PartyVInfo are "apu" and "apv" of ECDH-ES, not encoded.
	PartyUInfo, PartyVInfo []byte
	// Unprotected are members of the recipient's own header.
	Unprotected map[string]any
}

// Encrypt returns the message. The content encryption key is fresh, and the same for all recipients. The
// errors have the codes invalid_input, key_mismatch and unsupported_algorithm.
func (d *Draft) Encrypt() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	if d.Serialization == Compact {
		text, err := Encrypt(d.Recipients[0].Key, d.joint(&d.Recipients[0]), d.Plaintext)
		return []byte(text), err
	}
	w := workspaces.Get().(*workspace) //nolint:forcetypeassert // the pool holds nothing else
	defer w.release()
	out, err := d.encrypt(w)
	if err == nil && len(out) > MaxSize {
		return nil, fault.New(fault.InvalidInput, "encrypt: the message would be longer than %d characters", MaxSize)
	}
	return out, err
}

// joint is the header that says everything to one recipient.
func (d *Draft) joint(r *Recipient) Header {
	h := d.Protected
	h.Algorithm, h.KeyID, h.PartyUInfo, h.PartyVInfo = r.Algorithm, r.KeyID, r.PartyUInfo, r.PartyVInfo
	return h
}

func (d *Draft) check() error {
	switch n := len(d.Recipients); {
	case d.Serialization != Compact && d.Serialization != Flattened && d.Serialization != General:
		return fmt.Errorf("serialization %.16q is neither compact nor flattened nor general", d.Serialization)
	case n == 0 || n > MaxRecipients:
		return fmt.Errorf("a message has 1 to %d recipients", MaxRecipients)
	case n > 1 && d.Serialization != General:
		return fmt.Errorf("%s serialization has one recipient", d.Serialization)
	case d.Serialization == Compact && (d.AAD != nil || len(d.Unprotected) > 0 || len(d.Recipients[0].Unprotected) > 0):
		return errors.New("compact serialization has neither unprotected headers nor additional authenticated data")
	case d.AAD != nil && len(d.AAD) == 0:
		return errors.New("the additional authenticated data are empty")
	case base64url.EncodedLen(len(d.Plaintext)) > MaxSize || base64url.EncodedLen(len(d.AAD)) > MaxSize:
		return fmt.Errorf("the message would be longer than %d characters", MaxSize)
	}
	if p := &d.Protected; p.Algorithm != "" || p.KeyID != "" || p.PartyUInfo != nil || p.PartyVInfo != nil {
		return errors.New("algorithm, key ID and party information are the recipients'")
	}
	return d.checkUnprotected()
}

// checkUnprotected refuses what has a meaning here: that stands where this package puts it.
func (d *Draft) checkUnprotected() error {
	for i := range d.Recipients {
		if err := checkUnprotected(d.Recipients[i].Unprotected); err != nil {
			return err
		}
	}
	return checkUnprotected(d.Unprotected)
}

func checkUnprotected(members map[string]any) error {
	if err := joseheader.CheckExtra(members); err != nil {
		return fmt.Errorf("unprotected %w", err)
	}
	return nil
}

func (d *Draft) encrypt(w *workspace) ([]byte, error) {
	var enc alg.ContentEncryption
	var management alg.KeyManagement
	var recipients []byte
	for i := range d.Recipients {
		r := &d.Recipients[i]
		h := d.joint(r)
		m, encryption, err := resolve(r.Key, h.Algorithm, h.Encryption)
		if err == nil && len(d.Recipients) > 1 && alone(m) {
			err = fault.New(fault.InvalidInput, "%s has one recipient alone", m.Name)
		}
		if err == nil {
			err = r.Key.Permits(operations(m.Family, false)...)
		}
		if err == nil && i == 0 {
			management = m
			if enc, err = alg.LookupContentEncryption(encryption); err == nil && !alone(m) {
				randomize(w.key[:enc.KeySize/8])
			}
		}
		if err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		h.Algorithm, h.Encryption = m.Name, enc.Name
		if h.KeyID == "" {
			h.KeyID = r.Key.ID
		}
		if recipients, err = d.appendRecipient(recipients, w, r, m, enc, h); err != nil {
			return nil, err
		}
	}
	if d.Serialization == General {
		h := d.Protected
		h.Encryption = enc.Name
		var err error
		if w.header, err = h.append(w.header[:0], produced{}); err != nil {
			return nil, err
		}
		recipients = append(recipients, ']')
	}
	return d.seal(w, management, enc, recipients)
}

// appendRecipient wraps the key that stands in w.key for one recipient and appends the members of the
// message that say so. In flattened serialization the protected header says most of it, in w.header.
func (d *Draft) appendRecipient(out []byte, w *workspace, r *Recipient, management alg.KeyManagement, enc alg.ContentEncryption, h Header) ([]byte, error) {
	encryptedKey, p, err := w.wrapKey(r.Key, management, enc, &h)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	own := Header{Extra: r.Unprotected}
	switch {
	case d.Serialization == Flattened:
		if w.header, err = h.append(w.header[:0], p); err != nil {
			return nil, err
		}
		p = produced{}
		out = append(out, '{')
	default:
		own.Algorithm, own.KeyID, own.PartyUInfo, own.PartyVInfo = h.Algorithm, h.KeyID, h.PartyUInfo, h.PartyVInfo
		if out == nil {
			out = append(out, `{"recipients":[`...)
		} else {
			out = append(out, ',')
		}
		out = append(out, '{')
	}
	text, err := own.append(nil, p)
	if err != nil {
		return nil, err
	}
	if _, err := joseheader.ReadUnprotected(text, nil); err != nil {
		return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	if len(text) > len(`{}`) {
		out = append(strictjson.AppendName(out, "header"), text...)
	}
	if len(encryptedKey) > 0 {
		out = appendEncoded(out, "encrypted_key", encryptedKey)
	}
	if d.Serialization == General {
		out = append(out, '}')
	}
	return out, d.disjoint(w.header, text)
}

// disjoint looks for members that stand in two headers.
func (d *Draft) disjoint(protected, own []byte) error {
	if d.Serialization == General {
		h := d.Protected
		h.Encryption = "-" // some; it stands in the protected header
		var err error
		if protected, err = h.append(nil, produced{}); err != nil {
			return err
		}
	}
	shared, err := d.shared()
	if err == nil {
		err = joseheader.CheckDisjoint(protected, shared, own)
	}
	if err != nil {
		return fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	return nil
}

// shared returns the text of the shared unprotected header, nil for an empty one.
func (d *Draft) shared() ([]byte, error) {
	if len(d.Unprotected) == 0 {
		return nil, nil
	}
	text, err := strictjson.AppendMembers([]byte{'{'}, d.Unprotected)
	if err != nil {
		return nil, err
	}
	text = append(text, '}')
	_, err = joseheader.ReadUnprotected(text, nil)
	return text, err
}

// seal encrypts the plaintext and appends the members that all recipients share.
func (d *Draft) seal(w *workspace, management alg.KeyManagement, enc alg.ContentEncryption, out []byte) ([]byte, error) {
	plaintext, err := d.Protected.pack(d.Plaintext)
	if err != nil {
		return nil, err
	}
	out = appendEncoded(out, "protected", w.header)
	shared, err := d.shared()
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	if shared != nil {
		out = append(strictjson.AppendName(out, "unprotected"), shared...)
	}
	aad := base64url.AppendEncode(w.out[:0], w.header)
	if d.AAD != nil {
		out = appendEncoded(out, "aad", d.AAD)
		aad = base64url.AppendEncode(append(aad, '.'), d.AAD)
	}
	w.out = aad
	iv, ciphertext, tag, err := w.seal(d.Recipients[0].Key, management, enc, plaintext, aad)
	if err != nil {
		return nil, err
	}
	out = appendEncoded(appendEncoded(appendEncoded(out, "iv", iv), "ciphertext", ciphertext), "tag", tag)
	return append(out, '}'), nil
}
