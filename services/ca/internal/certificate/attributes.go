package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// readAttributes reads the attributes of a request: the asked extensions (RFC 2985 section 5.4.2, or Microsoft's object identifier for the same)
// and the challenge password.
func (r *Request) readAttributes(attributes cryptobyte.String) error {
	var seen []asn1.ObjectIdentifier
	asked := false
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var object asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&object) ||
			!attribute.ReadASN1(&values, der.SET) || !attribute.Empty() || values.Empty() {
			return refuse(Malformed, "an attribute of the request is not well formed")
		}
		if slices.ContainsFunc(seen, object.Equal) {
			return refuse(DuplicatedPart, "the request has the attribute %s twice", object)
		}
		seen = append(seen, object)
		switch {
		case object.Equal(oidExtensionRequest), object.Equal(oidExtensionRequestMS):
			if asked {
				return refuse(DuplicatedPart, "the request asks for extensions in two attributes")
			}
			asked = true
			if err := r.readExtensions(values); err != nil {
				return err
			}
		case object.Equal(oidChallenge):
			password, err := parseDirectoryString(values)
			if err != nil {
				return err
			}
			r.ChallengePassword = password
		}
	}
	return nil
}

// readExtensions reads the only value of an extension request.
func (r *Request) readExtensions(values cryptobyte.String) error {
	var list cryptobyte.String
	if !values.ReadASN1(&list, der.SEQUENCE) || !values.Empty() {
		return refuse(Malformed, "the extension request has not one value")
	}
	for !list.Empty() {
		extension, err := readExtension(&list)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(r.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(extension.Id) }) {
			return refuse(DuplicatedPart, "the request asks for the extension %s twice", extension.Id)
		}
		r.Extensions = append(r.Extensions, extension)
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		if r.SAN, err = ParseSAN(extension.Value); err != nil {
			return err
		}
	}
	return nil
}

func readExtension(list *cryptobyte.String) (pkix.Extension, error) {
	var content, value cryptobyte.String
	var extension pkix.Extension
	ok := list.ReadASN1(&content, der.SEQUENCE) && content.ReadASN1ObjectIdentifier(&extension.Id)
	if ok && content.PeekASN1Tag(der.BOOLEAN) {
		// DER leaves out the default, but some encoders write FALSE.
		ok = content.ReadASN1Boolean(&extension.Critical)
	}
	if !ok || !content.ReadASN1(&value, der.OCTET_STRING) || !content.Empty() {
		return pkix.Extension{}, refuse(Malformed, "an asked extension is not well formed")
	}
	extension.Value = value
	return extension, nil
}

// parseDirectoryString reads the only value of an attribute, a character string.
func parseDirectoryString(values cryptobyte.String) (string, error) {
	var text string
	rest, err := asn1.Unmarshal(values, &text)
	const maxChallenge = 255 // RFC 2985 section 5.4.1, ub-challenge-password
	if err != nil || len(rest) > 0 || len(text) > maxChallenge {
		return "", refuse(Malformed, "the challenge password is not one character string of at most %d characters", maxChallenge)
	}
	return text, nil
}
