package profile

import (
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// Profile is what certificates of one purpose have in common. Its fields are the keys of the YAML file.
type Profile struct {
	// Name is lower-case letters, digits and hyphens, and that of the file.
	Name string `koanf:"name"`
	// Description is a sentence for people.
	Description string `koanf:"description"`
	// Family is private or br.
	Family string `koanf:"family"`
	// BRLab, with family br, makes certificates for a laboratory: the reserved policies of the CA/Browser Forum are left out.
	BRLab bool `koanf:"br_lab"`

	Validity         Validity         `koanf:"validity"`
	Keys             Keys             `koanf:"keys"`
	KeyUsage         KeyUsage         `koanf:"key_usage"`
	ExtendedKeyUsage ExtendedKeyUsage `koanf:"extended_key_usage"`
	BasicConstraints BasicConstraints `koanf:"basic_constraints"`
	Subject          Subject          `koanf:"subject"`
	SAN              SAN              `koanf:"san"`
	NameConstraints  NameConstraints  `koanf:"name_constraints"`
	Policies         []Policy         `koanf:"policies"`
	Extensions       []Extension      `koanf:"extensions"`
	// SubjectKeyID adds the identifier of the subject's key.
	SubjectKeyID bool `koanf:"subject_key_id"`
	// MustStaple asks TLS clients to insist on a stapled OCSP response (RFC 7633).
	MustStaple bool `koanf:"must_staple"`
	// OCSPNoCheck tells clients not to ask for the status of this certificate (RFC 6960 section 4.2.2.2.1).
	OCSPNoCheck bool `koanf:"ocsp_no_check"`
	// SignatureHash is SHA-256, SHA-384 or SHA-512; empty leaves it to the issuer's key.
	SignatureHash string `koanf:"signature_hash"`

	Revocation Revocation `koanf:"revocation"`
	Access     Access     `koanf:"access"`
	Approval   Approval   `koanf:"approval"`
	Lint       Lint       `koanf:"lint"`
	Renewal    Renewal    `koanf:"renewal"`
	// ACME offers the profile to ACME clients.
	ACME bool `koanf:"acme"`

	compiled compiled
	text     string
	now      time.Time // when the profile was loaded, for the dated rules
}

// Validity bounds how long a certificate lives. The last second counts: a certificate of one day ends 86,399 seconds after it begins.
type Validity struct {
	Min     Period `koanf:"min"`
	Max     Period `koanf:"max"`
	Default Period `koanf:"default"`
	// Backdate is by how much a certificate begins before it is issued, for clocks that are slow.
	Backdate Period `koanf:"backdate"`
	// Ahead is by how much a requester may let a certificate begin later.
	Ahead Period `koanf:"ahead"`
}

// Keys are the subjects' keys that are taken.
type Keys struct {
	// RSAMin and RSAMax are lengths of the modulus in bits; both 0 for no RSA.
	RSAMin int `koanf:"rsa_min"`
	RSAMax int `koanf:"rsa_max"`
	// Curves are P-256, P-384 and P-521.
	Curves  []string `koanf:"curves"`
	Ed25519 bool     `koanf:"ed25519"`
}

// KeyUsage has usages by the names of RFC 5280 section 4.2.1.3. Those under rsa and ec are added for keys of these kinds.
type KeyUsage struct {
	All []string `koanf:"all"`
	RSA []string `koanf:"rsa"`
	EC  []string `koanf:"ec"`
}

// ExtendedKeyUsage has purposes by name, such as serverAuth, or as dotted object identifiers.
type ExtendedKeyUsage struct {
	Purposes []string `koanf:"purposes"`
	Critical bool     `koanf:"critical"`
	// Constrains says that the purposes are of an authority, and bound those of what is below it.
	Constrains bool `koanf:"constrains"`
}

// BasicConstraints make an authority, or say that the subject is none.
type BasicConstraints struct {
	CA bool `koanf:"ca"`
	// PathLength is how many authorities may stand between this one and a leaf; -1 leaves it open.
	PathLength int `koanf:"path_length"`
	// Absent leaves the extension out, where the subject is no authority.
	Absent bool `koanf:"absent"`
}

// Subject is the distinguished name.
type Subject struct {
	// Attributes come in this order.
	Attributes []Attribute `koanf:"attributes"`
	// Others says what becomes of asked attributes that are not listed: refuse or ignore.
	Others string `koanf:"others"`
	// CommonName is free (any text), san (one of the alternative names), or none (the attribute is not certified; an asked one that is a host name
	// joins the alternative names).
	CommonName string `koanf:"common_name"`
}

// Attribute is one part of the subject.
type Attribute struct {
	// Type is a short name, such as CN or O, or a dotted object identifier.
	Type string `koanf:"type"`
	// Value fixes the value: text in which {dns}, {ip}, {email}, {uri} and {upn} stand for the first alternative name of that kind, {cn} for the asked
	// common name and {requester} for who asks. Empty takes the value that is asked for.
	Value string `koanf:"value"`
	// Required refuses a request without a value.
	Required bool `koanf:"required"`
	// Pattern is a regular expression (RE2) for the whole value.
	Pattern string `koanf:"pattern"`
	// Max is how often the attribute may be there; 0 is once.
	Max int `koanf:"max"`
}

// SAN says which alternative names are certified. A kind with max 0 is refused.
type SAN struct {
	// Min and Max count the names of all kinds.
	Min int `koanf:"min"`
	Max int `koanf:"max"`

	DNS   Names `koanf:"dns"`
	IP    Names `koanf:"ip"`
	Email Names `koanf:"email"`
	URI   Names `koanf:"uri"`
	UPN   Names `koanf:"upn"`
}

// Names bounds the names of a kind.
type Names struct {
	Min int `koanf:"min"`
	Max int `koanf:"max"`
	// Patterns are the forms one of which a name must have; none allows every name. "*" stands for characters within a part (a label of a host, a segment
	// of a path, one side of the @), "**" for any characters. For addresses they are prefixes, such as 10.0.0.0/8.
	Patterns []string `koanf:"patterns"`
	// Wildcards allows host names that begin with "*.".
	Wildcards bool `koanf:"wildcards"`
}

// NameConstraints bound the names below an authority (RFC 5280 section 4.2.1.10).
type NameConstraints struct {
	Critical  bool     `koanf:"critical"`
	Permitted Subtrees `koanf:"permitted"`
	Excluded  Subtrees `koanf:"excluded"`
}

// Subtrees are names by kind. IP has prefixes.
type Subtrees struct {
	DNS   []string `koanf:"dns"`
	IP    []string `koanf:"ip"`
	Email []string `koanf:"email"`
	URI   []string `koanf:"uri"`
}

// Policy is a certificate policy.
type Policy struct {
	// ID is a dotted object identifier.
	ID string `koanf:"id"`
	// CPS are URLs of the practice statement.
	CPS []string `koanf:"cps"`
}

// Extension is one that this program does not know. One of der, utf8, ia5, integer, boolean and empty is its value.
type Extension struct {
	// ID is a dotted object identifier.
	ID       string `koanf:"id"`
	Critical bool   `koanf:"critical"`
	// DER is hexadecimal.
	DER     string  `koanf:"der"`
	UTF8    *string `koanf:"utf8"`
	IA5     *string `koanf:"ia5"`
	Integer *int64  `koanf:"integer"`
	Boolean *bool   `koanf:"boolean"`
	// Null is the NULL of ASN.1.
	Null bool `koanf:"null"`
}

// Revocation says which pointers a certificate carries.
type Revocation struct {
	CRL  bool `koanf:"crl"`
	OCSP bool `koanf:"ocsp"`
	// Issuer is the URL of the issuer's certificate.
	Issuer bool `koanf:"issuer"`
}

// Access says who may use the profile. Each list that is not empty must hold the caller; all empty allow whoever may issue.
type Access struct {
	Roles   []string `koanf:"roles"`
	Scopes  []string `koanf:"scopes"`
	Clients []string `koanf:"clients"`
}

// Approval lets a request wait for people.
type Approval struct {
	// Count is how many must agree; 0 for none.
	Count int `koanf:"count"`
	// Expires is when a request that waits is given up.
	Expires Period `koanf:"expires"`
}

// Lint says what becomes of findings.
type Lint struct {
	// Native is the program's own rules: error refuses, warn reports, off does not look.
	Native string `koanf:"native"`
	// ZLint is the second opinion of the program zlint, with the same words. It takes some ten milliseconds, and the program must be installed.
	ZLint string `koanf:"zlint"`
}

// Renewal says how certificates are replaced.
type Renewal struct {
	// Window is how long before its end a certificate may be renewed; 0 for at any time.
	Window Period `koanf:"window"`
	// ByCertificate lets whoever proves possession of the certificate's key renew it.
	ByCertificate bool `koanf:"by_certificate"`
	// NewKey refuses the same key again.
	NewKey bool `koanf:"new_key"`
}

// IsAuthority says whether the certificates are those of authorities.
func (p *Profile) IsAuthority() bool { return p.BasicConstraints.CA }

// Rules are the rules that certificates of the profile keep; lab tells that their issuer is one of a laboratory.
func (p *Profile) Rules(lab bool) ruleset.Family {
	if p.isBR() && (p.BRLab || lab) {
		return ruleset.BRLab
	}
	return ruleset.Family(p.Family)
}

// Text is the YAML that the profile was loaded from.
func (p *Profile) Text() string { return p.text }
