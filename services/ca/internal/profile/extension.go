package profile

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// encode makes the extension, or says what is wrong with its value.
func (e Extension) encode() (pkix.Extension, error) {
	id, err := parseObject(e.ID)
	if err != nil {
		return pkix.Extension{}, err
	}
	var b cryptobyte.Builder
	given := 0
	for _, part := range []struct {
		given bool
		add   func()
	}{
		{e.DER != "", func() {}},
		{e.UTF8 != nil, func() { b.AddASN1(der.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(*e.UTF8)) }) }},
		{e.IA5 != nil, func() { b.AddASN1(der.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(*e.IA5)) }) }},
		{e.Integer != nil, func() { b.AddASN1Int64(*e.Integer) }},
		{e.Boolean != nil, func() { b.AddASN1Boolean(*e.Boolean) }},
		{e.Null, func() { b.AddASN1NULL() }},
	} {
		if part.given {
			part.add()
			given++
		}
	}
	if given != 1 {
		return pkix.Extension{}, errors.New("has not exactly one of der, utf8, ia5, integer, boolean and null")
	}
	value, err := b.Bytes()
	if err != nil {
		return pkix.Extension{}, err
	}
	if e.DER != "" {
		if value, err = hex.DecodeString(e.DER); err != nil {
			return pkix.Extension{}, errors.New("der is not hexadecimal")
		}
		var content cryptobyte.String
		var tag der.Tag
		if rest := cryptobyte.String(value); !rest.ReadAnyASN1(&content, &tag) || !rest.Empty() {
			return pkix.Extension{}, errors.New("der is not one DER value")
		}
	}
	if e.IA5 != nil {
		for _, c := range []byte(*e.IA5) {
			if c >= 0x80 {
				return pkix.Extension{}, errors.New("ia5 is not ASCII")
			}
		}
	}
	return pkix.Extension{Id: id, Critical: e.Critical, Value: value}, nil
}
