package certificate_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// draft is a request whose every part a test can spoil; the signature is made over what it then is.
type draft struct {
	version    int
	subject    []byte
	spki       []byte
	attributes []any
	algorithm  pkix.AlgorithmIdentifier
	noSet      bool
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

func set(values ...any) asn1.RawValue {
	content := []byte{}
	for _, value := range values {
		content = append(content, must(asn1.Marshal(value))...)
	}
	return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: content}
}

var (
	extensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	challenge        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
)

func newDraft(t testing.TB, key crypto.Signer) *draft {
	t.Helper()
	san := must(certificate.SubjectAltName(certificate.SAN{DNS: []string{"a.example"}}, false))
	return &draft{
		subject: must(certificate.EncodeName(certificate.Attribute{Type: []int{2, 5, 4, 3}, Value: "a.example"})), spki: spki(t, key),
		attributes: []any{attribute{extensionRequest, set([]pkix.Extension{san})}},
		algorithm:  must(certificate.Identifier(certificate.SignatureAlgorithms(key.Public())[0])),
	}
}

// sign returns the DER.
func (d *draft) sign(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	content := must(asn1.Marshal(d.version))
	content = append(append(content, d.subject...), d.spki...)
	if !d.noSet {
		attributes := set(d.attributes...)
		attributes.Class, attributes.Tag = asn1.ClassContextSpecific, 0
		content = append(content, must(asn1.Marshal(attributes))...)
	}
	info := must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content}))
	message, options := info, crypto.Hash(0)
	if _, isEdwards := key.Public().(ed25519.PublicKey); !isEdwards {
		digest := crypto.SHA256.New()
		digest.Write(info)
		message, options = digest.Sum(nil), crypto.SHA256
	}
	signature, err := key.Sign(rand.Reader, message, options)
	require.NoError(t, err)
	return must(asn1.Marshal(struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: info}, d.algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}))
}

func TestParseRequest_ReadsWhatTheStandardLibraryWrites(t *testing.T) {
	t.Parallel()
	for name, key := range keys() {
		for _, algorithm := range certificate.SignatureAlgorithms(key.Public()) {
			text, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
				SignatureAlgorithm: algorithm, Subject: pkix.Name{CommonName: "a.example", Organization: []string{"Zürich"}},
				DNSNames: []string{"B.example", "a.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 7)}, EmailAddresses: []string{"x@example.com"},
				URIs:            []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/x"}},
				ExtraExtensions: []pkix.Extension{must(certificate.KeyUsage(x509.KeyUsageDigitalSignature))},
			}, key)
			require.NoError(t, err)
			request, err := certificate.ParseRequest(text)
			require.NoError(t, err, "%s %s", name, algorithm)
			want, err := x509.ParseCertificateRequest(text)
			require.NoError(t, err)
			assert.Equal(t, want.Raw, request.Raw)
			assert.Equal(t, want.RawSubject, request.RawSubject)
			assert.Equal(t, want.Subject, request.Subject)
			assert.Equal(t, want.RawSubjectPublicKeyInfo, request.SPKI)
			assert.Equal(t, key.Public(), request.PublicKey)
			assert.Equal(t, want.Extensions, request.Extensions)
			assert.Equal(t, []string{"b.example", "a.example"}, request.SAN.DNS)
			assert.Equal(t, "192.0.2.7", request.SAN.IP[0].String())
			assert.Equal(t, []string{"x@example.com"}, request.SAN.Email)
			assert.Equal(t, []string{"spiffe://example.org/x"}, request.SAN.URI)
		}
	}
}

func TestParseRequest_ReadsWhatOpenSSLWrites(t *testing.T) {
	t.Parallel()
	configuration := filepath.Join(t.TempDir(), "req.cnf")
	require.NoError(t, os.WriteFile(configuration, []byte(`[req]
prompt = no
distinguished_name = name
req_extensions = asked
attributes = more
string_mask = utf8only
[name]
CN = ann
[asked]
subjectAltName = DNS:a.example,IP:2001:db8::1,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ann@corp.example
keyUsage = digitalSignature
[more]
challengePassword = open sesame
`), 0o600))
	for _, kind := range [][]string{
		{"-newkey", "rsa:2048"},
		{"-newkey", "rsa:3072", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", "-sha384"},
		{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha256"},
		{"-newkey", "ed25519"},
	} {
		arguments := append([]string{"req", "-new", "-noenc", "-keyout", os.DevNull, "-config", configuration, "-outform", "DER", "-out", "-"}, kind...)
		file := filepath.Join(t.TempDir(), "request.der")
		arguments[len(arguments)-len(kind)-1] = file
		openssl(t, nil, arguments...)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		request, err := certificate.ParseRequest(text)
		require.NoError(t, err, kind)
		assert.Equal(t, []string{"ann@corp.example"}, request.SAN.UPN)
		assert.Equal(t, "2001:db8::1", request.SAN.IP[0].String())
		assert.Equal(t, "open sesame", request.ChallengePassword)
		assert.Equal(t, "ann", request.Subject.CommonName)
		assert.Len(t, request.Extensions, 2)
	}
}

func TestParseRequest_RefusesWhatIsNotSound(t *testing.T) {
	t.Parallel()
	key := keys()["P-256"]
	san := must(certificate.SubjectAltName(certificate.SAN{DNS: []string{"a.example"}}, false))
	asked := attribute{extensionRequest, set([]pkix.Extension{san})}
	for what, test := range map[string]struct {
		spoil func(d *draft)
		want  certificate.Reason
	}{
		"version 1":        {func(d *draft) { d.version = 1 }, certificate.Malformed},
		"no attribute set": {func(d *draft) { d.noSet = true }, certificate.Malformed},
		"name is a set":    {func(d *draft) { d.subject = []byte{0x31, 0} }, certificate.Malformed},
		"name with a number": {func(d *draft) {
			d.subject = must(asn1.Marshal(pkix.RDNSequence{{{Type: []int{2, 5, 4, 3}, Value: 7}}}))
		}, certificate.Malformed},
		"attribute twice": {func(d *draft) { d.attributes = append(d.attributes, asked) }, certificate.DuplicatedPart},
		"two extension lists": {func(d *draft) {
			d.attributes = []any{attribute{extensionRequest, set([]pkix.Extension{san}, []pkix.Extension{})}}
		}, certificate.Malformed},
		"Microsoft's as well": {func(d *draft) {
			d.attributes = append(d.attributes, attribute{[]int{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}, set([]pkix.Extension{san})})
		}, certificate.DuplicatedPart},
		"extension twice":    {func(d *draft) { d.attributes = []any{attribute{extensionRequest, set([]pkix.Extension{san, san})}} }, certificate.DuplicatedPart},
		"attribute no value": {func(d *draft) { d.attributes = []any{attribute{[]int{1, 2, 3}, set()}} }, certificate.Malformed},
		"extension a number": {func(d *draft) { d.attributes = []any{attribute{extensionRequest, set([]int{1})}} }, certificate.Malformed},
		"bad name": {func(d *draft) {
			bad := must(certificate.SubjectAltName(certificate.SAN{DNS: []string{"a_b.example"}}, false))
			d.attributes = []any{attribute{extensionRequest, set([]pkix.Extension{bad})}}
		}, certificate.BadName},
		"two passwords": {func(d *draft) { d.attributes = []any{attribute{challenge, set("a", "b")}} }, certificate.Malformed},
		"no password":   {func(d *draft) { d.attributes = []any{attribute{challenge, set(7)}} }, certificate.Malformed},
		"SHA-1":         {func(d *draft) { d.algorithm.Algorithm = []int{1, 2, 840, 10045, 4, 1} }, certificate.WeakSignature},
		"MD5":           {func(d *draft) { d.algorithm.Algorithm = []int{1, 2, 840, 113549, 1, 1, 4} }, certificate.WeakSignature},
		"SHA-224":       {func(d *draft) { d.algorithm.Algorithm = []int{1, 2, 840, 10045, 4, 3, 1} }, certificate.Unsupported},
		"NULL added":    {func(d *draft) { d.algorithm.Parameters = asn1.NullRawValue }, certificate.Unsupported},
		"other hash":    {func(d *draft) { d.algorithm.Algorithm = []int{1, 2, 840, 10045, 4, 3, 3} }, certificate.BadSignature},
		"other kind":    {func(d *draft) { d.algorithm = must(certificate.Identifier(x509.SHA256WithRSA)) }, certificate.BadSignature},
		"other key":     {func(d *draft) { d.spki = spki(t, keys()["P-384"]) }, certificate.BadSignature},
		"key of RSA":    {func(d *draft) { d.spki = spki(t, keys()["RSA"]) }, certificate.BadSignature},
		"key cut off":   {func(d *draft) { d.spki = []byte{0x30, 0} }, certificate.BadPublicKey},
		"short RSA":     {func(d *draft) { d.spki = modulus(t, 1024, 65537) }, certificate.BadPublicKey},
		"long RSA":      {func(d *draft) { d.spki = modulus(t, 16384, 65537) }, certificate.BadPublicKey},
		"exponent 3":    {func(d *draft) { d.spki = modulus(t, 2048, 3) }, certificate.BadPublicKey},
		"even exponent": {func(d *draft) { d.spki = modulus(t, 2048, 65538) }, certificate.BadPublicKey},
	} {
		d := newDraft(t, key)
		test.spoil(d)
		_, err := certificate.ParseRequest(d.sign(t, key))
		assert.Equal(t, test.want, reason(t, err), what)
	}
	good := newDraft(t, key).sign(t, key)
	_, err := certificate.ParseRequest(good)
	require.NoError(t, err)
	for what, text := range map[string][]byte{
		"nothing": nil, "trailing byte": append(append([]byte{}, good...), 0), "cut off": good[:len(good)-1],
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: good}), "too long": make([]byte, certificate.MaxRequest+1),
		"indefinite": {0x30, 0x80, 0, 0},
	} {
		_, err := certificate.ParseRequest(text)
		assert.Equal(t, certificate.Malformed, reason(t, err), what)
	}
}

// modulus is the SPKI of an RSA key nobody can use.
func modulus(t testing.TB, bits, exponent int) []byte {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.SetBit(n, 0, 1)
	text, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: exponent})
	require.NoError(t, err)
	return text
}

// Whichever byte is changed, the request is refused: what is not signed is checked.
func TestParseRequest_RefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	key := keys()["Ed25519"]
	d := newDraft(t, key)
	text := d.sign(t, key)
	_, err := certificate.ParseRequest(text)
	require.NoError(t, err)
	for i := range text {
		for _, change := range []byte{1, 0x80} {
			changed := append([]byte{}, text...)
			changed[i] ^= change
			_, err := certificate.ParseRequest(changed)
			require.Error(t, err, "byte %d", i)
		}
	}
}
