package revocation_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func TestCheck_BelievesAResponder(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	good, bad := p.leaf(t, "/ocsp", ""), p.leaf(t, "/ocsp", "")
	p.on("/ocsp", p.witness(t, bad))
	k := p.checker(t)
	require.NoError(t, k.Check(t.Context(), p.chain(good)))
	err := k.Check(t.Context(), p.chain(bad))
	require.ErrorIs(t, err, revocation.ErrRevoked)
	var refused *revocation.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "unauthenticated", refused.ErrorCode())
	assert.Zero(t, refused.RetryAfter())
	assert.Equal(t, bad.certificate.SerialNumber.Text(16), refused.Serial)
	require.ErrorIs(t, p.checker(t, permissive).Check(t.Context(), p.chain(bad)), revocation.ErrRevoked, "permissive is not blind")
}

func TestCheck_SpeaksToRespondersThatKnowOldNamesOnly(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]func(p *pki, leaf *issued) []byte{
		"unauthorized": func(*pki, *issued) []byte { return ocsp.UnauthorizedErrorResponse },
		"malformed":    func(*pki, *issued) []byte { return ocsp.MalformedRequestErrorResponse },
		"unknown": func(p *pki, leaf *issued) []byte {
			r := p.good(t, leaf)
			r.data.Singles[0].Good, r.data.Singles[0].Unknown = false, true
			return r.der(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			first, second := p.leaf(t, "/ocsp", ""), p.leaf(t, "/ocsp", "")
			answer := func(leaf *issued, revoked bool) {
				p.on("/ocsp", func(question []byte) (int, []byte) {
					if !oldNames(t, question) {
						return http.StatusOK, refusal(p, leaf)
					}
					r := p.good(t, leaf)
					r.data.Singles[0].ID = oldIDOf(t, leaf.certificate, p.ca.certificate)
					if revoked {
						r.data.Singles[0].Good, r.data.Singles[0].Revoked = false, revokedInfo{At: time.Now().Add(-time.Hour).UTC()}
					}
					return http.StatusOK, r.der(t)
				})
			}
			k := p.checker(t)
			answer(first, false)
			require.NoError(t, k.Check(t.Context(), p.chain(first)))
			assert.Equal(t, 2, p.count("/ocsp"), "modern names come first")
			answer(second, true)
			require.ErrorIs(t, k.Check(t.Context(), p.chain(second)), revocation.ErrRevoked)
			assert.Equal(t, 3, p.count("/ocsp"), "what the responder knows is remembered")
		})
	}
}

func TestCheck_TakesAnAnswerByTheOldNameToAQuestionByTheNew(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	r := p.good(t, leaf)
	r.data.Singles[0].ID = oldIDOf(t, leaf.certificate, p.ca.certificate)
	p.serve("/ocsp", r.der(t))
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)))
	assert.Equal(t, 1, p.count("/ocsp"))
}

func TestCheck_BelievesAResponderWithADelegation(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	delegate := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, KeyUsage: x509.KeyUsageDigitalSignature}, p.ca)
	stranger := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "other"}}, nil)
	leaf := p.leaf(t, "/ocsp", "")
	r := p.good(t, leaf)
	r.signer, r.embed = delegate, []*issued{stranger, delegate}
	p.serve("/ocsp", r.der(t))
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)))
}

// forgeries are responses that say good and must not be believed.
func forgeries(t *testing.T, p *pki, leaf *issued) map[string][]byte {
	t.Helper()
	other := certify(t, authorityTemplate("issuing"), p.root) // the same name, another key
	use := func(usage ...x509.ExtKeyUsage) x509.Certificate {
		return x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, ExtKeyUsage: usage}
	}
	expired := use(x509.ExtKeyUsageOCSPSigning)
	expired.NotAfter = time.Now().Add(-time.Hour)
	noSignatures := use(x509.ExtKeyUsageOCSPSigning)
	noSignatures.KeyUsage = x509.KeyUsageKeyEncipherment
	all := map[string][]byte{}
	forge := func(name string, change func(r *response)) {
		r := p.good(t, leaf)
		change(&r)
		all[name] = r.der(t)
	}
	by := func(name string, signer *issued) {
		forge(name, func(r *response) { r.signer, r.embed = signer, []*issued{signer} })
	}
	forge("unsigned by the issuer", func(r *response) { r.signer = other })
	by("another authority of the same name", other)
	by("the root", p.root)
	by("a delegation without a purpose", certify(t, use(), p.ca))
	by("a delegation for any purpose", certify(t, use(x509.ExtKeyUsageAny), p.ca))
	by("a delegation for servers", certify(t, use(x509.ExtKeyUsageServerAuth), p.ca))
	by("a delegation by another authority of the same name", certify(t, use(x509.ExtKeyUsageOCSPSigning), other))
	by("a delegation by the root", certify(t, use(x509.ExtKeyUsageOCSPSigning), p.root))
	by("a delegation by itself", certify(t, use(x509.ExtKeyUsageOCSPSigning), nil))
	by("an expired delegation", certify(t, expired, p.ca))
	by("a delegation that may not sign", certify(t, noSignatures, p.ca))
	by("the leaf itself", leaf)
	delegate := certify(t, use(x509.ExtKeyUsageOCSPSigning), p.ca)
	forge("a delegate that did not sign", func(r *response) { r.signer, r.embed = leaf, []*issued{delegate} })
	forge("a delegate too far down", func(r *response) {
		r.signer, r.embed = delegate, []*issued{leaf, leaf, leaf, leaf, delegate}
	})
	forge("another certificate", func(r *response) { r.data.Singles[0].ID.Serial = big.NewInt(7) })
	forge("another issuer", func(r *response) { r.data.Singles[0].ID = idOf(t, leaf.certificate, p.root.certificate) })
	forge("another issuer's name", func(r *response) { r.data.Singles[0].ID.Name = idOf(t, leaf.certificate, p.root.certificate).Name })
	forge("another issuer's key", func(r *response) { r.data.Singles[0].ID.Key = idOf(t, leaf.certificate, p.root.certificate).Key })
	forge("another hash", func(r *response) {
		r.data.Singles[0].ID.Algorithm.Algorithm = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	})
	forge("no answer at all", func(r *response) { r.data.Singles = nil })
	forge("too old", func(r *response) { r.data.Singles[0].NextUpdate = p.time.read().Add(-time.Second).UTC() })
	forge("ending now", func(r *response) { r.data.Singles[0].NextUpdate = p.time.read().UTC() })
	forge("of the future", func(r *response) { r.data.Singles[0].ThisUpdate = p.time.read().Add(6 * time.Minute).UTC() })
	forge("without an end and not fresh", func(r *response) {
		r.data.Singles[0].ThisUpdate, r.data.Singles[0].NextUpdate = p.time.read().Add(-6*time.Minute).UTC(), time.Time{}
	})
	forge("unknown", func(r *response) { r.data.Singles[0].Good, r.data.Singles[0].Unknown = false, true })
	forge("good and unknown", func(r *response) { r.data.Singles[0].Unknown = true })
	forge("good and revoked", func(r *response) { r.data.Singles[0].Revoked = revokedInfo{At: time.Now().UTC()} })
	forge("neither", func(r *response) { r.data.Singles[0].Good = false })
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	forge("critical extension", func(r *response) { r.data.Extensions = critical })
	forge("critical extension of the answer", func(r *response) { r.data.Singles[0].Extensions = critical })
	forge("SHA-1 signature", func(r *response) { r.algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1} })
	forge("unknown signature", func(r *response) { r.algorithm = asn1.ObjectIdentifier{1, 2, 3} })
	forge("PSS without parameters", func(r *response) { r.algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} })
	forge("other hash in the signature", func(r *response) { r.algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3} })
	forge("another type", func(r *response) { r.kind = asn1.ObjectIdentifier{1, 2, 3} })
	honest := p.good(t, leaf).der(t)
	all["trailing data"] = append(append([]byte(nil), honest...), 0)
	all["cut"] = honest[:len(honest)-1]
	all["flipped signature"] = append(append([]byte(nil), honest[:len(honest)-1]...), honest[len(honest)-1]^1)
	all["nothing"] = nil
	all["text"] = []byte("<html>good</html>")
	all["internal error"] = ocsp.InternalErrorErrorResponse
	all["too large"] = append(honest, make([]byte, 1<<20)...)
	return all
}

func TestCheck_BelievesNoForgery(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	p.serve("/ocsp", p.good(t, leaf).der(t))
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)), "what is forged is otherwise good")
	for name, der := range forgeries(t, p, leaf) {
		p.serve("/ocsp", der)
		small := func(c *revocation.Config, _ *revocation.Options) { c.MaxCRL = 1 << 16 }
		strict := p.checker(t, small)
		err := strict.Check(t.Context(), p.chain(leaf))
		require.ErrorIs(t, err, revocation.ErrUndetermined, name)
		var refused *revocation.Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "dependency_unavailable", refused.ErrorCode())
		assert.Equal(t, 10*time.Second, refused.RetryAfter())
		strict.TakeStaple(p.chain(leaf), der)
		require.ErrorIs(t, strict.Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined, "stapled: "+name)

		var log strings.Builder
		lenient := p.checker(t, small, permissive, logTo(&log))
		require.NoError(t, lenient.Check(t.Context(), p.chain(leaf)), name)
		lenient.Close() // so that nothing writes the log any more
		assert.Contains(t, log.String(), "nobody tells the status of a certificate", name)
	}
}

func TestCheck_UsesAResponseOnlyForTheIssuerThatItNames(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	// One responder's key serves two authorities, and the serial number exists under both: revoked here, good there.
	second := certify(t, authorityTemplate("second"), p.root)
	responder := x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}}
	here := certify(t, responder, p.ca)
	leaf := p.leaf(t, "/ocsp", "")
	r := p.good(t, leaf)
	r.data.Singles[0].ID = idOf(t, leaf.certificate, second.certificate)
	r.signer, r.embed = here, []*issued{here}
	p.serve("/ocsp", r.der(t))
	require.ErrorIs(t, p.checker(t).Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined)
}

func TestCheck_BelievesNoDelegateThatALoadedListHolds(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	delegate := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}}, p.ca)
	leaf, other := p.leaf(t, "/ocsp", ""), p.leaf(t, "", "/list")
	r := p.good(t, leaf)
	r.signer, r.embed = delegate, []*issued{delegate}
	p.serve("/ocsp", r.der(t))
	p.serve("/list", p.list(t, 1, []*issued{delegate}))
	k := p.checker(t)
	require.NoError(t, k.Check(t.Context(), p.chain(other))) // which loads the list
	require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined)

	file := filepath.Join(t.TempDir(), "list.crl")
	require.NoError(t, os.WriteFile(file, p.list(t, 1, []*issued{delegate}, scoped(t, scope{OnlyCAs: true})), 0o600))
	k = p.checker(t, func(c *revocation.Config, _ *revocation.Options) { c.CRLs = []string{file} })
	require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined)
}

func TestCheck_KnowsTheApprovedSignatures(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	pss := func(hash asn1.ObjectIdentifier, salt int) pkix.AlgorithmIdentifier {
		digest := pkix.AlgorithmIdentifier{Algorithm: hash, Parameters: asn1.NullRawValue}
		inner, err := asn1.Marshal(digest)
		require.NoError(t, err)
		der, err := asn1.Marshal(struct {
			Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
			MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
			Salt int                      `asn1:"explicit,tag:2"`
		}{digest, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, Parameters: asn1.RawValue{FullBytes: inner}}, salt})
		require.NoError(t, err)
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, Parameters: asn1.RawValue{FullBytes: der}}
	}
	plain := func(oid ...int) pkix.AlgorithmIdentifier { return pkix.AlgorithmIdentifier{Algorithm: oid} }
	saltEqualsHash := func(h crypto.Hash) crypto.SignerOpts {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	for name, c := range map[string]struct {
		key       crypto.Signer
		options   crypto.SignerOpts
		algorithm pkix.AlgorithmIdentifier
	}{
		"RSA SHA-256": {rsaKey, crypto.SHA256, plain(1, 2, 840, 113549, 1, 1, 11)},
		"RSA SHA-384": {rsaKey, crypto.SHA384, plain(1, 2, 840, 113549, 1, 1, 12)},
		"RSA SHA-512": {rsaKey, crypto.SHA512, plain(1, 2, 840, 113549, 1, 1, 13)},
		"PSS SHA-256": {rsaKey, saltEqualsHash(crypto.SHA256), pss(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, 32)},
		"PSS SHA-384": {rsaKey, saltEqualsHash(crypto.SHA384), pss(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, 48)},
		"PSS SHA-512": {rsaKey, saltEqualsHash(crypto.SHA512), pss(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, 64)},
		"P-384":       {p384, crypto.SHA384, plain(1, 2, 840, 10045, 4, 3, 3)},
		"P-384 512":   {p384, crypto.SHA512, plain(1, 2, 840, 10045, 4, 3, 4)},
		"Ed25519":     {edKey, crypto.Hash(0), plain(1, 3, 101, 112)},
	} {
		leaf := p.leaf(t, "/ocsp", "")
		template := x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}}
		delegate := certifyKey(t, template, c.key, p.ca)
		r := p.good(t, leaf)
		r.signer, r.embed, r.options, r.identifier = delegate, []*issued{delegate}, c.options, &c.algorithm
		p.serve("/ocsp", r.der(t))
		require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)), name)
	}
}
