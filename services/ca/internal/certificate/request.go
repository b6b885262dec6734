package certificate

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxRequest bounds a certificate request in bytes: room for a hundred names and the longest keys.
const MaxRequest = 32 << 10

// Request is a certificate request (RFC 2986) whose requester has proved possession of the private key.
type Request struct {
	// Raw is the whole request.
	Raw []byte
	// Subject is what was asked, RawSubject its DER.
	Subject    pkix.Name
	RawSubject []byte
	// SAN are the names of the asked subject alternative name extension.
	SAN SAN
	// PublicKey is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey; SPKI its DER.
	PublicKey crypto.PublicKey
	SPKI      []byte
	// Extensions are all that were asked, the SAN among them.
	Extensions []pkix.Extension
	// ChallengePassword is the attribute of RFC 2985 section 5.4.1. It is a secret: never log it.
	ChallengePassword string
}

// ParseRequest reads the DER of one request and nothing else. It refuses what is not DER or too long, an attribute or extension that is there twice,
// names of unknown kinds, keys that [ParsePublicKey] refuses, signatures with SHA-1 or MD5, and above all a signature that does not verify. Attributes
// it does not know are left alone. An error is a [*Refusal].
func ParseRequest(text []byte) (*Request, error) {
	if len(text) > MaxRequest {
		return nil, refuse(Malformed, "the request has %d bytes, more than %d", len(text), MaxRequest)
	}
	input := cryptobyte.String(text)
	var whole, info, algorithm cryptobyte.String
	var value asn1.BitString
	if !input.ReadASN1(&whole, der.SEQUENCE) || !input.Empty() ||
		!whole.ReadASN1Element(&info, der.SEQUENCE) || !whole.ReadASN1(&algorithm, der.SEQUENCE) ||
		!whole.ReadASN1BitString(&value) || !whole.Empty() || value.BitLength%8 != 0 {
		return nil, refuse(Malformed, "not the DER of one certificate request (RFC 2986)")
	}
	request := &Request{Raw: text}
	attributes, err := request.readInfo(info)
	if err != nil {
		return nil, err
	}
	if request.PublicKey, err = ParsePublicKey(request.SPKI); err != nil {
		return nil, err
	}
	if err := request.prove(info, algorithm, value.Bytes); err != nil {
		return nil, err
	}
	if err := request.readAttributes(attributes); err != nil {
		return nil, err
	}
	return request, nil
}

// readInfo reads CertificationRequestInfo (RFC 2986 section 4.1) and returns its attributes.
func (r *Request) readInfo(info cryptobyte.String) (attributes cryptobyte.String, err error) {
	var content, subject, spki cryptobyte.String
	var version int64
	if !info.ReadASN1(&content, der.SEQUENCE) || !content.ReadASN1Integer(&version) || version != 0 ||
		!content.ReadASN1Element(&subject, der.SEQUENCE) || !content.ReadASN1Element(&spki, der.SEQUENCE) ||
		!content.ReadASN1(&attributes, der.Tag(0).Constructed().ContextSpecific()) || !content.Empty() {
		return nil, refuse(Malformed, "the request is not of version 0, or not well formed (RFC 2986 section 4.1)")
	}
	r.RawSubject, r.SPKI = subject, spki
	r.Subject, err = ParseName(subject)
	return attributes, err
}

// prove verifies the requester's signature over the info.
func (r *Request) prove(info, algorithm cryptobyte.String, value []byte) error {
	var object asn1.ObjectIdentifier
	if !algorithm.ReadASN1ObjectIdentifier(&object) {
		return refuse(Malformed, "the signature algorithm is not well formed")
	}
	s, known := find(object, algorithm)
	switch {
	case isBrokenSignature(object):
		return refuse(WeakSignature, "the request is signed with MD5 or SHA-1; sign it with SHA-256 or better")
	case !known:
		return refuse(Unsupported,
			"the signature algorithm %s, or its parameters, are not known; sign with SHA-2, RSASSA-PSS with a salt as long as the hash", object)
	}
	if err := s.verify(r.PublicKey, info, value); err != nil {
		return refuse(BadSignature, "the request is not signed by the private key of its public key")
	}
	return nil
}

// isBrokenSignature knows the algorithms with MD2, MD5 and SHA-1 by name, for the sake of a clear answer; whatever is not in signatures is refused.
func isBrokenSignature(object asn1.ObjectIdentifier) bool {
	switch object.String() {
	case "1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.3.14.3.2.29", "1.2.840.10040.4.3", "1.2.840.10045.4.1":
		return true
	default:
		return false
	}
}
