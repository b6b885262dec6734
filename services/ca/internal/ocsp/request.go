// Package ocsp reads requests and makes responses of the Online Certificate Status Protocol (RFC 6960, nonces by RFC 9654, caching by RFC 5019).
// Its main functions are [ParseRequest] and [Responder.Sign].
//
// Names of certificates are echoed byte by byte. SHA-1 is known as a name of issuers only, by package identifier; nothing is signed with it.
package ocsp

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds of requests.
const (
	// MaxRequest bounds a request, in bytes. One with a signature and its certificates fits.
	MaxRequest = 16 << 10
	// MaxSingles bounds the certificates that one request asks about.
	MaxSingles = 32
	// maxNonce bounds a nonce, in bytes (RFC 9654 section 2.1: no responder accepts a longer one).
	maxNonce = 128
	// maxSerial bounds a serial number with its sign, in bytes. Nobody issues more than 20 (RFC 5280 section 4.1.2.2); some longer ones can be asked about.
	maxSerial = 33
)

// Request is what somebody asks.
type Request struct {
	// IDs name certificates; at least one.
	IDs []CertID
	// Nonce is to be echoed; nil without one.
	Nonce []byte
}

// CertID names a certificate (RFC 6960 section 4.1.1).
type CertID struct {
	// Raw is its DER, to be echoed.
	Raw []byte
	// Hash is that of Name and Key: crypto.SHA256, crypto.SHA1, or 0 for one that is not known here.
	Hash crypto.Hash
	// Name and Key are the hashes of the issuer's name and key.
	Name, Key []byte
	// Serial is the serial number's content bytes: big-endian and minimal, with a zero in front where the first bit is set.
	Serial []byte
}

// malformed is an error with a text for tests and logs: whoever asked is sent only a status.
func malformed(what string) error { return fmt.Errorf("OCSP request: %s", what) }

// Object identifiers of extensions (RFC 6960 section 4.4, RFC 9654).
func oidNonce() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2} }

func oidAccepts() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 4} }

func oidBasic() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1} }

// Object identifiers of hashes, with which CertIDs begin.
func oidSHA1() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26} }

func oidSHA256() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
}

// ParseRequest reads a request strictly: DER, nothing after it, no extension that is critical and not known, no nonce of a length that RFC 9654
// forbids. A signature is read over: whoever asks needs none. The error means malformedRequest.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, malformed("it is too long")
	}
	input := cryptobyte.String(der)
	var whole, tbs cryptobyte.String
	if !input.ReadASN1(&whole, tags.SEQUENCE) || !input.Empty() || !whole.ReadASN1(&tbs, tags.SEQUENCE) {
		return nil, malformed("it is no DER sequence")
	}
	if !skipSignature(&whole) || !whole.Empty() {
		return nil, malformed("its signature is not readable")
	}
	var version int64
	if !tbs.ReadOptionalASN1Integer(&version, explicit(0), int64(0)) || version != 0 {
		return nil, malformed("its version is not 1")
	}
	if !tbs.SkipOptionalASN1(explicit(1)) { // requestorName
		return nil, malformed("the requestor's name is not readable")
	}
	var list cryptobyte.String
	if !tbs.ReadASN1(&list, tags.SEQUENCE) || list.Empty() {
		return nil, malformed("it asks about nothing")
	}
	r := &Request{}
	for !list.Empty() {
		if len(r.IDs) == MaxSingles {
			return nil, malformed("it asks about too many certificates")
		}
		id, err := parseSingle(&list)
		if err != nil {
			return nil, err
		}
		r.IDs = append(r.IDs, id)
	}
	if err := r.parseExtensions(&tbs); err != nil {
		return nil, err
	}
	if !tbs.Empty() {
		return nil, malformed("something follows its extensions")
	}
	return r, nil
}

func explicit(n uint8) tags.Tag { return tags.Tag(n).ContextSpecific().Constructed() }

// skipSignature reads over an optional signature [0] of the right shape.
func skipSignature(s *cryptobyte.String) bool {
	var outer, signature, algorithm cryptobyte.String
	var there bool
	if !s.ReadOptionalASN1(&outer, &there, explicit(0)) {
		return false
	}
	var bits asn1.BitString
	return !there || outer.ReadASN1(&signature, tags.SEQUENCE) && outer.Empty() && signature.ReadASN1(&algorithm, tags.SEQUENCE) &&
		signature.ReadASN1BitString(&bits) && signature.SkipOptionalASN1(explicit(0)) && signature.Empty()
}

// parseSingle reads a Request: a CertID and optional extensions.
func parseSingle(list *cryptobyte.String) (id CertID, err error) {
	var single, raw cryptobyte.String
	if !list.ReadASN1(&single, tags.SEQUENCE) || !single.ReadASN1Element(&raw, tags.SEQUENCE) {
		return id, malformed("a question is no sequence")
	}
	if id, err = parseID(raw); err != nil {
		return id, err
	}
	err = eachExtension(&single, 0, func(asn1.ObjectIdentifier, cryptobyte.String) (bool, error) { return false, nil })
	if err == nil && !single.Empty() {
		err = malformed("something follows a question")
	}
	return id, err
}

func parseID(raw cryptobyte.String) (CertID, error) {
	id := CertID{Raw: raw}
	var body, algorithm, name, key, serial cryptobyte.String
	if !raw.ReadASN1(&body, tags.SEQUENCE) || !body.ReadASN1(&algorithm, tags.SEQUENCE) || !body.ReadASN1(&name, tags.OCTET_STRING) ||
		!body.ReadASN1(&key, tags.OCTET_STRING) || !body.ReadASN1(&serial, tags.INTEGER) || !body.Empty() {
		return id, malformed("a CertID is not readable")
	}
	id.Name, id.Key, id.Serial = name, key, serial
	if err := id.checkSerial(); err != nil {
		return id, err
	}
	err := id.readHash(algorithm)
	return id, err
}

func (id *CertID) checkSerial() error {
	s := id.Serial
	switch {
	case len(s) == 0 || len(s) > 1 && (s[0] == 0 && s[1] < 0x80 || s[0] == 0xff && s[1] >= 0x80):
		return malformed("a serial number is not minimal")
	case len(s) > maxSerial:
		return malformed("a serial number is too long")
	default:
		return nil
	}
}

// readHash reads the content of the hash's AlgorithmIdentifier.
func (id *CertID) readHash(algorithm cryptobyte.String) error {
	var oid asn1.ObjectIdentifier
	if !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return malformed("the hash of a CertID is not readable")
	}
	switch {
	case oid.Equal(oidSHA256()):
		id.Hash = crypto.SHA256
	case oid.Equal(oidSHA1()):
		id.Hash = crypto.SHA1
	default:
		return nil
	}
	if !algorithm.Empty() { // parameters are NULL or absent
		var null cryptobyte.String
		if !algorithm.ReadASN1(&null, tags.NULL) || !null.Empty() || !algorithm.Empty() {
			return malformed("the hash of a CertID has parameters")
		}
	}
	if size := id.Hash.Size(); len(id.Name) != size || len(id.Key) != size {
		return malformed("a hash of a CertID does not have its length")
	}
	return nil
}

// parseExtensions reads the request's extensions [2].
func (r *Request) parseExtensions(tbs *cryptobyte.String) error {
	return eachExtension(tbs, 2, func(oid asn1.ObjectIdentifier, value cryptobyte.String) (bool, error) {
		switch {
		case oid.Equal(oidNonce()):
			var nonce cryptobyte.String
			if !value.ReadASN1(&nonce, tags.OCTET_STRING) || !value.Empty() || len(nonce) == 0 || len(nonce) > maxNonce {
				return true, malformed("its nonce does not have 1 to 128 bytes")
			}
			r.Nonce = nonce
			return true, nil
		case oid.Equal(oidAccepts()):
			return true, acceptsBasic(value)
		default:
			return false, nil
		}
	})
}

// acceptsBasic wants the one type of response that there is among the acceptable ones (RFC 6960 section 4.4.3).
func acceptsBasic(value cryptobyte.String) error {
	var list cryptobyte.String
	if !value.ReadASN1(&list, tags.SEQUENCE) || !value.Empty() {
		return malformed("the acceptable types of responses are not readable")
	}
	found := false
	for !list.Empty() {
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1ObjectIdentifier(&oid) {
			return malformed("the acceptable types of responses are not readable")
		}
		found = found || oid.Equal(oidBasic())
	}
	if !found {
		return malformed("it does not accept basic responses")
	}
	return nil
}

// eachExtension reads optional Extensions under an explicit tag. known says whether it knows one; a critical one must be known, and none comes twice.
func eachExtension(s *cryptobyte.String, tag uint8, known func(asn1.ObjectIdentifier, cryptobyte.String) (bool, error)) error {
	errNotReadable := errors.New("OCSP request: its extensions are not readable")
	var outer, list cryptobyte.String
	var there bool
	if !s.ReadOptionalASN1(&outer, &there, explicit(tag)) {
		return errNotReadable
	}
	if !there {
		return nil
	}
	if !outer.ReadASN1(&list, tags.SEQUENCE) || !outer.Empty() || list.Empty() {
		return errNotReadable
	}
	seen := map[string]bool{}
	for !list.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if !list.ReadASN1(&extension, tags.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			extension.PeekASN1Tag(tags.BOOLEAN) && (!extension.ReadASN1Boolean(&critical) || !critical) || // DER leaves out what is the default
			!extension.ReadASN1(&value, tags.OCTET_STRING) || !extension.Empty() {
			return errNotReadable
		}
		if seen[oid.String()] {
			return malformed("an extension comes twice")
		}
		seen[oid.String()] = true
		is, err := known(oid, value)
		if err != nil {
			return err
		}
		if critical && !is {
			return malformed("it has a critical extension that is not known")
		}
	}
	return nil
}
