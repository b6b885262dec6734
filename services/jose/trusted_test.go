package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// authorityOf makes certificates.
type authorityOf struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

var nextSerial atomic.Int64

func certificateOf(t testing.TB, public crypto.PublicKey, by *authorityOf, self *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	serial := big.NewInt(nextSerial.Add(1))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "certificate " + serial.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	change(template)
	parent, signer := template, self
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func newAuthorityOf(t testing.TB, by *authorityOf) *authorityOf {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign }
	return &authorityOf{certificateOf(t, &key.PublicKey, by, key, ca), key}
}

// certify makes a certificate of a key.
func (a *authorityOf) certify(t testing.TB, key *jwk.Key, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	public, err := key.Public()
	require.NoError(t, err)
	if change == nil {
		change = func(*x509.Certificate) {}
	}
	return certificateOf(t, public.Material(), a, nil, change)
}

func asPEM(certificates ...*x509.Certificate) string {
	var out bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return out.String()
}

func chainOf(certificates ...*x509.Certificate) [][]byte {
	var chain [][]byte
	for _, c := range certificates {
		chain = append(chain, c.Raw)
	}
	return chain
}

// bringing is a token that expires in the year 2096, with what a header brings along.
func bringing(t testing.TB, key *jwk.Key, h jws.Header) string {
	t.Helper()
	h.Type = "at+jwt"
	bare := *key
	bare.Certificates = nil
	text, err := jws.Sign(&bare, h, []byte(`{"iss":"https://shop.example","aud":"api","sub":"ada","exp":4000000000}`))
	require.NoError(t, err)
	return text
}

func (s *service) verifies(t testing.TB, token, profile string) func(text string) answer {
	t.Helper()
	return func(text string) answer {
		t.Helper()
		return s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": profile, "token": text})
	}
}

func TestTrustedKeys_AKeyInTheHeaderIsTrustedByItsThumbprintAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		theirs, other := named(t, "ES256", "theirs"), named(t, "ES256", "theirs")
		es384 := named(t, "ES384", "es384")
		s.create(t, token, "own", "ES256")
		s.profile(t, token, "own", object{"key": "own", "typ": "at+jwt"})
		trusts := object{"jwk_thumbprints": []string{theirs.ThumbprintSHA256(), es384.ThumbprintSHA256()}}
		made := s.profile(t, token, "trusting", object{"trusted_keys": trusts, "algorithms": []string{"ES256"}, "typ": "at+jwt"}).Object(t)
		assert.Equal(t, []any{theirs.ThumbprintSHA256(), es384.ThumbprintSHA256()}, made["trusted_keys"].(object)["jwk_thumbprints"])
		verify := s.verifies(t, token, "trusting")
		good := bringing(t, theirs, jws.Header{Key: theirs})
		seen := verify(good)
		require.Equal(t, http.StatusOK, seen.Status, "%s", seen.Body)
		assert.Equal(t, theirs.ThumbprintSHA256(), seen.Object(t)["kid"])

		secret, err := jwk.FromMaterial(bytes.Repeat([]byte("s"), 32), jwk.Attributes{Algorithm: "HS256"})
		require.NoError(t, err)
		_, _, public := generate(t, "ES256")
		for what, c := range map[string]struct{ token, code string }{
			"another key":                      {bringing(t, other, jws.Header{Key: other}), "token_bad_signature"},
			"no key":                           {bringing(t, theirs, jws.Header{}), "token_bad_signature"},
			"an algorithm that is not trusted": {bringing(t, es384, jws.Header{Key: es384}), "key_mismatch"},
			"signed by somebody else": {withHeader(t, bringing(t, other, jws.Header{Key: other}), func(h map[string]any) {
				h["jwk"] = membersOf(t, good)["jwk"]
			}), "token_bad_signature"},
			"the old claims under another signature": {withHeader(t, good, func(h map[string]any) { h["kid"] = "x" }), "token_bad_signature"},
			"none":                                   {withHeader(t, good, func(h map[string]any) { h["alg"] = "none" }), "token_wrong_algorithm"},
			"a shared secret": {withHeader(t, bringing(t, secret, jws.Header{}), func(h map[string]any) {
				h["jwk"] = object{"kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M"}
			}), "token_malformed"},
			"a private key":         {withHeader(t, good, func(h map[string]any) { h["jwk"].(map[string]any)["d"] = "AAAA" }), "token_malformed"},
			"a point off the curve": {withHeader(t, good, func(h map[string]any) { h["jwk"].(map[string]any)["y"] = h["jwk"].(map[string]any)["x"] }), "token_malformed"},
			"no object":             {withHeader(t, good, func(h map[string]any) { h["jwk"] = string(public) }), "token_malformed"},
			"a chain beside it":     {withHeader(t, good, func(h map[string]any) { h["x5c"] = []string{"MAA="} }), "token_malformed"},
			"a link beside it":      {withHeader(t, good, func(h map[string]any) { h["jku"] = "https://evil.example/jwks" }), "token_malformed"},
		} {
			verify(c.token).refused(t, http.StatusBadRequest, c.code, what)
		}
		s.verifies(t, token, "own")(good).refused(t, http.StatusBadRequest, "token_malformed", "a profile that trusts no such key")
		s.call(t, token, http.MethodPost, "jws/verify", object{"message": good}).refused(t, http.StatusBadRequest, "invalid_jws", "no profile")
		s.call(t, token, http.MethodPost, "jwt/issue", object{"profile": "trusting"}).refused(t, http.StatusConflict, "invalid_state", "it issues nothing")
	})
}

func TestTrustedKeys_AChainInTheHeaderLeadsToAnAnchor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		root, evil := newAuthorityOf(t, nil), newAuthorityOf(t, nil)
		between := newAuthorityOf(t, root)
		key := named(t, "ES256", "")
		uri, err := url.Parse("spiffe://shop.example/issuer")
		require.NoError(t, err)
		names := func(c *x509.Certificate) { c.DNSNames, c.URIs = []string{"tokens.shop.example"}, []*url.URL{uri} }
		anchors := object{"anchors": []string{asPEM(root.certificate)}}
		s.profile(t, token, "any", object{"trusted_keys": anchors, "algorithms": []string{"ES256"}, "typ": "at+jwt"})
		s.profile(t, token, "named", object{
			"trusted_keys": object{"anchors": anchors["anchors"], "names": []string{uri.String()}}, "algorithms": []string{"ES256"}, "typ": "at+jwt",
		})
		pinned := s.profile(t, token, "pinned", object{
			"trusted_keys": object{"anchors": []string{asPEM(evil.certificate), asPEM(between.certify(t, key, nil))}}, "algorithms": []string{"ES256"}, "typ": "at+jwt",
		})
		assert.Len(t, pinned.Object(t)["trusted_keys"].(object)["anchors"], 2)
		leaf := between.certify(t, key, names)
		good := bringing(t, key, jws.Header{Chain: chainOf(leaf, between.certificate)})
		for _, profile := range []string{"any", "named"} {
			seen := s.verifies(t, token, profile)(good)
			require.Equal(t, http.StatusOK, seen.Status, "%s: %s", profile, seen.Body)
			assert.Equal(t, key.ThumbprintSHA256(), seen.Object(t)["kid"])
		}
		assert.Equal(t, http.StatusOK, s.verifies(t, token, "any")(bringing(t, key, jws.Header{Chain: chainOf(leaf, between.certificate, root.certificate)})).Status)
		plain := between.certify(t, key, nil)
		s.verifies(t, token, "named")(bringing(t, key, jws.Header{Chain: chainOf(plain, between.certificate)})).
			refused(t, http.StatusBadRequest, "token_bad_signature", "another name")
		s.verifies(t, token, "pinned")(good).refused(t, http.StatusBadRequest, "token_bad_signature", "another certificate of the key")

		changed := func(change func(*x509.Certificate)) string {
			return bringing(t, key, jws.Header{Chain: chainOf(between.certify(t, key, change), between.certificate)})
		}
		small, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		odd := certificateOf(t, &small.PublicKey, between, nil, func(*x509.Certificate) {})
		forgedAuthority := &authorityOf{certificate: leaf, key: key.Material().(*ecdsa.PrivateKey)}
		below := named(t, "ES256", "")
		authorityKey, err := jwk.FromMaterial(between.key, jwk.Attributes{Algorithm: "ES256"})
		require.NoError(t, err)
		for what, c := range map[string]struct{ token, code string }{
			"another root":                       {bringing(t, key, jws.Header{Chain: chainOf(evil.certify(t, key, names))}), "token_bad_signature"},
			"another root that is brought along": {bringing(t, key, jws.Header{Chain: chainOf(evil.certify(t, key, names), evil.certificate)}), "token_bad_signature"},
			"without what is between":            {bringing(t, key, jws.Header{Chain: chainOf(leaf)}), "token_bad_signature"},
			"expired":                            {changed(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "token_bad_signature"},
			"not valid yet":                      {changed(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), "token_bad_signature"},
			"for another usage":                  {changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), "token_bad_signature"},
			"made by one that is no authority":   {bringing(t, below, jws.Header{Chain: chainOf(forgedAuthority.certify(t, below, names), leaf, between.certificate)}), "token_bad_signature"},
			"of the authority itself":            {bringing(t, authorityKey, jws.Header{Chain: chainOf(between.certificate)}), "token_bad_signature"},
			"with a critical extension": {changed(func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}}}
			}), "token_bad_signature"},
			"of another key": {withHeader(t, bringing(t, named(t, "ES256", ""), jws.Header{}), func(h map[string]any) {
				h["x5c"] = membersOf(t, good)["x5c"]
			}), "token_bad_signature"},
			"of a key of another kind": {withHeader(t, good, func(h map[string]any) {
				h["x5c"] = membersOf(t, bringing(t, rsaKey(t, small), jws.Header{Chain: chainOf(odd, between.certificate)}))["x5c"]
			}), "key_mismatch"},
			"no certificates": {withHeader(t, good, func(h map[string]any) { h["x5c"] = []string{"MAA="} }), "token_malformed"},
			"no list":         {withHeader(t, good, func(h map[string]any) { h["x5c"] = "MAA=" }), "token_malformed"},
			"none":            {withHeader(t, good, func(h map[string]any) { h["x5c"] = []string{} }), "token_malformed"},
			"only its hash":   {withHeader(t, good, func(h map[string]any) { delete(h, "x5c") }), "token_bad_signature"},
			"a key instead":   {bringing(t, key, jws.Header{Key: key}), "token_malformed"},
			"more than a few": {withHeader(t, good, func(h map[string]any) {
				list := h["x5c"].([]any)
				for len(list) < 11 {
					list = append(list, list[1])
				}
				h["x5c"] = list
			}), "token_malformed"},
		} {
			s.verifies(t, token, "any")(c.token).refused(t, http.StatusBadRequest, c.code, what)
		}
	})
}

func rsaKey(t testing.TB, private *rsa.PrivateKey) *jwk.Key {
	t.Helper()
	key, err := jwk.FromMaterial(private, jwk.Attributes{Algorithm: "RS256"})
	require.NoError(t, err)
	return key
}

// Nobody is asked who is not listed, to the letter, and what is there is worth what it proves.
func TestTrustedKeys_LinksAreFollowedWhereTheProfileListsThem(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			theirs, elsewhere := newIssuer(t), newIssuer(t)
			cfg, files := prepare(t, engine)
			cfg.RemoteKeys.AllowAddresses, cfg.RemoteKeys.RootCertificate = []string{"127.0.0.1"}, config.Path(theirs.root)
			s := run(t, cfg, files)
			token := s.Operator(t)
			root := newAuthorityOf(t, nil)
			key := named(t, "ES256", "k1")
			leaf := root.certify(t, key, nil)
			jku, x5u := theirs.url, theirs.url+"?chain"
			s.profile(t, token, "links", object{"typ": "at+jwt", "algorithms": []string{"ES256"}, "trusted_keys": object{
				"jku": []string{jku}, "x5u": []string{x5u}, "anchors": []string{asPEM(root.certificate)},
			}})
			verify := s.verifies(t, token, "links")

			verify(bringing(t, key, jws.Header{KeySetURL: jku})).refused(t, http.StatusServiceUnavailable, "remote_keys_unavailable", "they are away")
			s.profile(t, token, "set", object{"typ": "at+jwt", "algorithms": []string{"ES256"}, "trusted_keys": object{"jku": []string{jku + "?v=2"}}})
			theirs.publish(t, key)
			linked := s.verifies(t, token, "set")
			seen := linked(bringing(t, key, jws.Header{KeySetURL: jku + "?v=2"}))
			require.Equal(t, http.StatusOK, seen.Status, "%s", seen.Body)
			assert.Equal(t, "k1", seen.Object(t)["kid"])

			text := []byte(asPEM(leaf))
			theirs.set.Store(&text)
			seen = verify(bringing(t, key, jws.Header{ChainURL: x5u}))
			require.Equal(t, http.StatusOK, seen.Status, "%s", seen.Body)
			assert.Equal(t, key.ThumbprintSHA256(), seen.Object(t)["kid"])

			fetches, others := theirs.fetches.Load(), elsewhere.fetches.Load()
			other := named(t, "ES256", "k2")
			for what, h := range map[string]jws.Header{
				"another host":       {KeySetURL: elsewhere.url},
				"another path":       {KeySetURL: jku + "/"},
				"another case":       {KeySetURL: "HTTPS" + jku[len("https"):]},
				"a fragment":         {KeySetURL: jku + "#"},
				"the wrong member":   {ChainURL: jku + "?v=2"},
				"this machine":       {KeySetURL: "http://127.0.0.1/jwks.json"},
				"a file":             {KeySetURL: "file:///etc/passwd"},
				"another host, x5u":  {ChainURL: elsewhere.url + "?chain"},
				"the set's, for x5u": {ChainURL: jku},
			} {
				verify(bringing(t, other, h)).refused(t, http.StatusBadRequest, "token_bad_signature", what)
			}
			verify(bringing(t, key, jws.Header{KeySetURL: jku, ChainURL: x5u})).refused(t, http.StatusBadRequest, "token_malformed", "two ways")
			linked(bringing(t, other, jws.Header{KeySetURL: jku + "?v=2", KeyID: "k1"})).refused(t, http.StatusBadRequest, "token_bad_signature", "somebody else under a name of theirs")
			verify(bringing(t, other, jws.Header{ChainURL: x5u})).refused(t, http.StatusBadRequest, "token_bad_signature", "somebody else under a chain of theirs")
			assert.Equal(t, []int64{fetches, others}, []int64{theirs.fetches.Load(), elsewhere.fetches.Load()}, "nobody was asked")

			// What stands at a listed address is not trusted for that.
			for what, content := range map[string]string{
				"another root": asPEM(newAuthorityOf(t, nil).certify(t, key, nil)), "a key set": `{"keys":[]}`, "a private key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "nothing": "",
			} {
				text := []byte(content)
				theirs.set.Store(&text)
				fresh := theirs.url + "?" + url.QueryEscape(what)
				s.profile(t, token, strings.ReplaceAll(what, " ", "-"), object{"typ": "at+jwt", "algorithms": []string{"ES256"}, "trusted_keys": object{
					"x5u": []string{fresh}, "anchors": []string{asPEM(root.certificate)},
				}})
				got := s.verifies(t, token, strings.ReplaceAll(what, " ", "-"))(bringing(t, key, jws.Header{ChainURL: fresh}))
				if what == "another root" {
					got.refused(t, http.StatusBadRequest, "token_bad_signature", what)
				} else {
					got.refused(t, http.StatusServiceUnavailable, "remote_keys_unavailable", what)
				}
			}
		})
	}
}

func TestTrustedKeys_ACertificateThatWasRevokedSignsNoMore(t *testing.T) {
	t.Parallel()
	root := newAuthorityOf(t, nil)
	key := named(t, "ES256", "")
	good, revoked := root.certify(t, key, nil), root.certify(t, key, nil)
	unknown := root.certify(t, key, func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.invalid/"} })
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.SerialNumber, RevocationTime: time.Now().Add(-time.Hour)}},
	}, root.certificate, root.key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "list.crl")
	require.NoError(t, os.WriteFile(file, list, 0o600))
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			open := func(lists ...string) func(*x509.Certificate) answer {
				cfg, files := prepare(t, engine)
				cfg.Revocation.CRLs = lists
				s := run(t, cfg, files)
				token := s.Operator(t)
				s.profile(t, token, "devices", object{
					"typ": "at+jwt", "algorithms": []string{"ES256"}, "trusted_keys": object{"anchors": []string{asPEM(root.certificate)}},
				})
				return func(c *x509.Certificate) answer {
					return s.verifies(t, token, "devices")(bringing(t, key, jws.Header{Chain: chainOf(c)}))
				}
			}
			verify := open(file)
			assert.Equal(t, http.StatusOK, verify(good).Status)
			verify(revoked).refused(t, http.StatusBadRequest, "token_bad_signature", "it was revoked")
			verify = open()
			assert.Equal(t, http.StatusOK, verify(good).Status, "it names nobody to ask")
			verify(unknown).refused(t, http.StatusServiceUnavailable, "remote_keys_unavailable", "whom it names does not answer")
		})
	}
}

func TestTrustedKeys_AProfileSaysWhatFitsTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "own", "ES256")
		thumbprint := named(t, "ES256", "").ThumbprintSHA256()
		root := newAuthorityOf(t, nil)
		anchor := asPEM(root.certificate)
		weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
		require.NoError(t, err)
		try := func(trusts object, more object) answer {
			body := object{"name": "p", "issuer": "https://shop.example", "audience": []string{"api"}, "algorithms": []string{"ES256"}, "trusted_keys": trusts}
			for name, value := range more {
				body[name] = value
			}
			return s.call(t, token, http.MethodPost, "profiles", body)
		}
		for what, c := range map[string]struct{ trusts, more object }{
			"nothing":                   {object{}, nil},
			"a key beside":              {object{"jwk_thumbprints": []string{thumbprint}}, object{"key": "own"}},
			"a key set beside":          {object{"jwk_thumbprints": []string{thumbprint}}, object{"jwks_uri": "https://partner.example/jwks"}},
			"no algorithms":             {object{"jwk_thumbprints": []string{thumbprint}}, object{"algorithms": []string{}}},
			"a shared secret":           {object{"jwk_thumbprints": []string{thumbprint}}, object{"algorithms": []string{"HS256"}}},
			"an old name":               {object{"jwk_thumbprints": []string{thumbprint}}, object{"eddsa": true}},
			"a chain of its own":        {object{"jwk_thumbprints": []string{thumbprint}}, object{"certificate_chain": true}},
			"a thumbprint too short":    {object{"jwk_thumbprints": []string{thumbprint[1:]}}, nil},
			"a thumbprint, not strict":  {object{"jwk_thumbprints": []string{thumbprint[:42] + "_"}}, nil},
			"a thumbprint of base64":    {object{"jwk_thumbprints": []string{thumbprint[:42] + "+"}}, nil},
			"names of no certificates":  {object{"jwk_thumbprints": []string{thumbprint}, "names": []string{"a.example"}}, nil},
			"a chain without an anchor": {object{"x5u": []string{"https://partner.example/chain"}}, nil},
			"no certificate":            {object{"anchors": []string{"MAA="}}, nil},
			"two in one":                {object{"anchors": []string{anchor + anchor}}, nil},
			"a weak certificate":        {object{"anchors": []string{asPEM(certificateOf(t, &weak.PublicKey, root, nil, func(*x509.Certificate) {}))}}, nil},
			"a set without TLS":         {object{"jku": []string{"http://partner.example/jwks"}}, nil},
			"a set of this machine":     {object{"jku": []string{"https://127.0.0.1/jwks"}}, nil},
			"a set with a fragment":     {object{"jku": []string{"https://partner.example/jwks#a"}}, nil},
			"a chain of this machine":   {object{"anchors": []string{anchor}, "x5u": []string{"https://169.254.169.254/chain"}}, nil},
			"a member of its own":       {object{"anchors": []string{anchor}, "x5t": "x"}, nil},
		} {
			got := try(c.trusts, c.more)
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", what, got.Body)
		}
		require.Equal(t, http.StatusCreated, try(object{"anchors": []string{anchor}, "names": []string{"a.example"}}, nil).Status)
		patch := func(body object) answer {
			tag := s.get(t, token, "profiles/p").Header.Get("ETag")
			return s.call(t, token, http.MethodPatch, "profiles/p", body, "Content-Type", "application/merge-patch+json", "If-Match", tag)
		}
		got := patch(object{"trusted_keys": object{"jwk_thumbprints": []string{thumbprint}}})
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
		trusted := got.Object(t)["trusted_keys"].(object)
		assert.Equal(t, []any{[]any{thumbprint}, []any{anchor}, []any{"a.example"}}, []any{trusted["jwk_thumbprints"], trusted["anchors"], trusted["names"]})
		patch(object{"trusted_keys": object{"anchors": nil}}).refused(t, http.StatusBadRequest, "validation_failed", "the names are left alone")
		require.Equal(t, http.StatusOK, patch(object{"trusted_keys": object{"anchors": nil, "names": []string{}}}).Status)
		patch(object{"trusted_keys": nil}).refused(t, http.StatusBadRequest, "validation_failed", "no key is left")
		got = patch(object{"trusted_keys": nil, "key": "own", "algorithms": []string{}})
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
		assert.NotContains(t, got.Object(t), "trusted_keys")
	})
}
