package jwe

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// Allow lists what messages may contain beyond what is accepted from everybody. The zero value allows
// nothing of it.
type Allow struct {
	// MaxInflated accepts "zip": "DEF" for plaintexts of at most so many bytes, which are besides no more than
	// a hundred times as long as what they were compressed to.
	MaxInflated int
	// Critical are the extensions that the caller knows and applies ("crit", RFC 7516 section 4.1.13).
	Critical []string
	// KeyMembers accepts "jwk", "x5c", "jku" and "x5u", which say whom a message is for. They stand in Extra;
	// nothing here uses them.
	KeyMembers bool
}

// permits says whether a member that is refused by itself is read.
func (a *Allow) permits(name []byte) bool {
	switch string(name) {
	case "jwk", "x5c", "jku", "x5u":
		return a.KeyMembers
	default:
		return false
	}
}

func (a *Allow) readZip(h *Header, value []byte) error {
	if a.MaxInflated <= 0 {
		return joseheader.Refused([]byte("zip"))
	}
	if !bytes.Equal(value, []byte(`"DEF"`)) {
		return errors.New(`member "zip" is not "DEF"`)
	}
	h.Compressed = true
	return nil
}

func (a *Allow) readCritical(h *Header, value []byte) (err error) {
	if len(a.Critical) == 0 {
		return joseheader.Refused([]byte("crit"))
	}
	if h.Critical, err = strictjson.Strings(value); err == nil && len(h.Critical) == 0 {
		err = errors.New(`member "crit" is empty`)
	}
	return err
}

// check looks at "crit" once the whole header is read.
func (a *Allow) check(h *Header) error {
	if len(h.Critical) == 0 {
		return nil
	}
	return joseheader.CheckCritical(h.Critical, h.hasExtra, func(name string) bool { return slices.Contains(a.Critical, name) })
}

func (h *Header) hasExtra(name string) bool { _, there := h.Extra[name]; return there }

// appendRare appends the members that readers accept only where they are asked to.
func (h *Header) appendRare(out []byte) ([]byte, error) {
	if h.Compressed {
		out = strictjson.AppendMember(out, "zip", "DEF")
	}
	if len(h.Critical) == 0 {
		return out, nil
	}
	if err := joseheader.CheckCritical(h.Critical, h.hasExtra, func(string) bool { return true }); err != nil {
		return nil, err
	}
	return strictjson.AppendValue(strictjson.AppendName(out, "crit"), h.Critical)
}

// pack compresses a plaintext where the header says so (RFC 7516 section 4.1.3).
func (h *Header) pack(plaintext []byte) ([]byte, error) {
	if !h.Compressed {
		return plaintext, nil
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(plaintext)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt: compress: %w", err)
	}
	return out.Bytes(), nil
}

// maxRatio is how many times as long as its compressed text a plaintext may be. Claims and other JSON come to less than 20; DEFLATE itself
// reaches 1,032 (RFC 1951 section 3.2.5: 258 bytes by two bits), which nothing but a bomb does.
const maxRatio = 100

// harmless is the length in bytes of plaintexts that are inflated by any ratio.
const harmless = 4 << 10

// unpack is the inverse of pack. The plaintext is authentic, and yet whoever may send messages, which with a public key is anybody, chose what
// it becomes: no more of it is inflated than is accepted.
func (h *Header) unpack(plaintext []byte, allow *Allow) ([]byte, error) {
	if !h.Compressed {
		return plaintext, nil
	}
	most := min(allow.MaxInflated, max(maxRatio*len(plaintext), harmless))
	in := bytes.NewReader(plaintext)
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(in), int64(most)+1))
	switch {
	case len(out) > most && most < allow.MaxInflated:
		return nil, fault.New(fault.InvalidJWE, "decrypt: the plaintext is more than %d times as long as its compressed text", maxRatio)
	case len(out) > most:
		return nil, fault.New(fault.InvalidJWE, "decrypt: the plaintext is longer than %d bytes", allow.MaxInflated)
	case err != nil || in.Len() > 0:
		return nil, ErrDecryption
	default:
		return out, nil
	}
}
