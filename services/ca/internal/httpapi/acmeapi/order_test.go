package acmeapi_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestNewOrder_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		name := func(kind, value string) string {
			text, err := json.Marshal(map[string]string{"type": kind, "value": value})
			require.NoError(t, err)
			return string(text)
		}
		order := func(rest string, names ...string) string {
			return `{"identifiers":[` + strings.Join(names, ",") + `]` + rest + `}`
		}
		good := name("dns", "www.example.com")
		past, future := f.clock.now().Add(-time.Hour).Format(time.RFC3339), f.clock.now().Add(time.Hour).Format(time.RFC3339)
		for payload, kind := range map[string]string{
			order(""): acme.Malformed,
			order("", strings.Split(strings.Repeat(good+"#", 101)[:101*(len(good)+1)-1], "#")...): acme.Malformed,
			order("", name("dns", "exa mple.com")):                                                acme.RejectedIdentifier,
			order("", name("dns", "192.0.2.1")):                                                   acme.RejectedIdentifier,
			order("", name("ip", "www.example.com")):                                              acme.RejectedIdentifier,
			order("", name("email", "a@example.com")):                                             acme.UnsupportedIdentifier,
			order("", name("dns", "forbidden.example.com")):                                       acme.RejectedIdentifier,
			order(`,"profile":"unknown"`, good):                                                   acme.InvalidProfile,
			order(`,"notBefore":"tomorrow"`, good):                                                acme.Malformed,
			order(fmt.Sprintf(`,"notAfter":%q`, past), good):                                      acme.Malformed,
			order(fmt.Sprintf(`,"notBefore":%q,"notAfter":%[1]q`, future), good):                  acme.Malformed,
		} {
			a := r.post(t, "/new-order", payload, nil)
			assert.Equal(t, kind, a.problem.Type, "%.200s: %s", payload, a.body)
			assert.NotContains(t, string(a.body), "subproblems")
		}
		two := r.post(t, "/new-order", order("", name("dns", "a_b.example"), good, name("dns", "-c.example")), nil)
		refused(t, two, acme.RejectedIdentifier, http.StatusForbidden)
		require.Len(t, two.problem.Subproblems, 2)
		assert.Equal(t, "a_b.example", two.problem.Subproblems[0].Identifier.Value)
		mixed := r.post(t, "/new-order", order("", name("dns", "a_b.example"), name("tn", "1")), nil)
		assert.Equal(t, acme.Malformed, mixed.problem.Type)

		right := r.post(t, "/new-order", order(fmt.Sprintf(`,"profile":"short","notAfter":%q`, future), name("dns", "WWW.example.com"), good, name("ip", "::1")), nil)
		require.Equal(t, http.StatusCreated, right.status, "%s", right.body)
		assert.Equal(t, "short", right.member(t, "profile"))
		assert.Equal(t, "pending", right.member(t, "status"))
		assert.NotEmpty(t, right.member(t, "notAfter"))
		assert.Len(t, right.list(t, "authorizations"), 2, "a name that is there twice counts once")
	})
}

// ready is an order whose names are proved.
func (f *fixture) ready(t *testing.T, c *xacme.Client, names ...string) *xacme.Order {
	t.Helper()
	order, err := c.AuthorizeOrder(t.Context(), identifiers(names...))
	require.NoError(t, err)
	require.NoError(t, f.prove(t.Context(), c, order, validation.HTTP01))
	order, err = c.WaitOrder(t.Context(), order.URI)
	require.NoError(t, err)
	return order
}

func TestFinalize_TakesARequestForTheOrdersNamesAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order := f.ready(t, c, "a.example.com", "b.example.com")
		r := rawOf(t, f, c, "main")
		key := newKey(t)
		good := request(t, key, "a.example.com", "b.example.com")
		broken := append([]byte{}, good...)
		broken[len(broken)-1] ^= 1
		upn, err := asn1.Marshal([]asn1.RawValue{
			{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a.example.com")},
			{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("b.example.com")},
			{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{0x2a, 0x03}},
		})
		require.NoError(t, err)
		both := []string{"a.example.com", "b.example.com"}
		for name, csr := range map[string][]byte{
			"empty": {}, "no DER": []byte("hello"), "cut": good[:100], "trailing": append(append([]byte{}, good...), 0), "wrong signature": broken,
			"too long":       make([]byte, 60_000),
			"a name less":    request(t, key, "a.example.com"),
			"a name more":    request(t, key, "a.example.com", "b.example.com", "c.example.com"),
			"another name":   request(t, key, "a.example.com", "c.example.com"),
			"an address":     request(t, key, "a.example.com", "b.example.com", "127.0.0.1"),
			"a wildcard":     request(t, key, "a.example.com", "*.example.com"),
			"no names":       requestOf(t, key, &x509.CertificateRequest{}),
			"a common name":  requestOf(t, key, &x509.CertificateRequest{DNSNames: both, Subject: commonName("c.example.com")}),
			"a person":       requestOf(t, key, &x509.CertificateRequest{DNSNames: both, Subject: commonName("Mallory")}),
			"a mail address": requestOf(t, key, &x509.CertificateRequest{DNSNames: both, EmailAddresses: []string{"a@example.com"}}),
			"a URI":          requestOf(t, key, &x509.CertificateRequest{DNSNames: both, URIs: []*url.URL{{Scheme: "spiffe", Host: "x"}}}),
			"a number":       requestOf(t, key, &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: upn}}}),
			"account's key":  request(t, signer(t, c.Key), both...),
		} {
			a := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(csr)), nil)
			assert.Equal(t, acme.BadCSR, a.problem.Type, "%s: %s", name, a.body)
			assert.Equal(t, http.StatusForbidden, a.status, name)
		}
		for _, payload := range []string{`{}`, `{"csr":""}`, `{"csr":7}`, fmt.Sprintf(`{"csr":%q}`, encode(good)+"=="), `{"csr":"%%%"}`} {
			a := r.postURL(t, order.FinalizeURL, payload, nil)
			assert.GreaterOrEqual(t, a.status, 400, payload)
		}
		assert.Equal(t, "ready", r.postURL(t, order.URI, "", nil).member(t, "status"), "nothing was decided")
		swapped := requestOf(t, key, &x509.CertificateRequest{DNSNames: []string{"B.example.com"}, Subject: commonName("A.example.com")})
		done := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(swapped)), nil)
		require.Equal(t, http.StatusOK, done.status, "%s", done.body)
		assert.Equal(t, "valid", done.member(t, "status"), "it was quick")
		assert.NotEmpty(t, done.member(t, "certificate"))
		again := r.postURL(t, order.FinalizeURL, fmt.Sprintf(`{"csr":%q}`, encode(swapped)), nil)
		refused(t, again, acme.OrderNotReady, http.StatusForbidden)
	})
}

func signer(t *testing.T, key crypto.Signer) *ecdsa.PrivateKey {
	t.Helper()
	private, ok := key.(*ecdsa.PrivateKey)
	require.True(t, ok)
	return private
}

func TestFinalize_NeedsEveryProof(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		f.ready(t, c, "a.example.com")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("a.example.com", "b.example.com"))
		require.NoError(t, err)
		r := rawOf(t, f, c, "main")
		payload := fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "a.example.com", "b.example.com")))
		refused(t, r.postURL(t, order.FinalizeURL, payload, nil), acme.OrderNotReady, http.StatusForbidden)
		assert.Zero(t, f.authority.calls)
	})
}

func TestChallenge_ThatFailsMakesTheOrderInvalidAndSaysWhy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("www.example.com"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		for _, challenge := range z.Challenges {
			if challenge.Type == "http-01" {
				_, err = c.Accept(t.Context(), challenge)
				require.NoError(t, err)
			}
		}
		_, err = c.WaitAuthorization(t.Context(), z.URI)
		var failed *xacme.AuthorizationError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Errors, 1)
		assert.Contains(t, failed.Errors[0].Error(), "404")
		_, err = c.WaitOrder(t.Context(), order.URI)
		var dead *xacme.OrderError
		require.ErrorAs(t, err, &dead)
		assert.Equal(t, xacme.StatusInvalid, dead.Status)
	})
}

func TestChallenge_IsLookedAtAgainWhereTheNameServerIsLate(t *testing.T) {
	t.Parallel()
	o := options{replicas: 2, retries: []time.Duration{10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Minute}}
	eachWith(t, o, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		order, err := c.AuthorizeOrder(t.Context(), identifiers("*.example.com"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		_, err = c.Accept(t.Context(), z.Challenges[0])
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			z, err := c.GetAuthorization(t.Context(), z.URI)
			return err == nil && z.Challenges[0].Error != nil && z.Status == xacme.StatusPending && z.Challenges[0].Status == xacme.StatusProcessing
		}, 20*time.Second, 20*time.Millisecond, "it says what was found, and goes on")
		require.NoError(t, f.show(c, z, z.Challenges[0]))
		f.clock.advance(5 * time.Minute)
		f.clock.advance(5 * time.Minute)
		_, err = c.WaitAuthorization(t.Context(), z.URI)
		require.NoError(t, err)
	})
}

func TestCAA_RefusesAndIsAskedAgainBeforeIssuance(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		for _, method := range []string{"dns-01", "http-01"} {
			f.network.publish(func(n *network) {
				n.caa["held.example.com"] = []validation.CAA{{Tag: "issue", Value: "ca.example; validationmethods=" + method + "; accounturi=" + string(c.KID)}}
			})
			_, _, err := f.order(t.Context(), c, validation.HTTP01, request(t, newKey(t), "held.example.com"), "held.example.com")
			assert.Equal(t, method == "http-01", err == nil, "%v", err)
		}
		order := f.ready(t, c, "late.example.com")
		f.network.publish(func(n *network) { n.caa["late.example.com"] = []validation.CAA{{Tag: "issue", Value: ";"}} })
		r := rawOf(t, f, c, "main")
		payload := fmt.Sprintf(`{"csr":%q}`, encode(request(t, newKey(t), "late.example.com")))
		f.clock.advance(8 * time.Hour)
		a := r.postURL(t, order.FinalizeURL, payload, nil)
		refused(t, a, "urn:ietf:params:acme:error:caa", http.StatusForbidden)
		assert.Equal(t, "late.example.com", a.problem.Identifier.Value)
		f.network.publish(func(n *network) { delete(n.caa, "late.example.com") })
		assert.Equal(t, "valid", r.postURL(t, order.FinalizeURL, payload, nil).member(t, "status"))
	})
}

func TestQuorum_APubliclyTrustedDirectoryNeedsItsPerspectives(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 1, directory: func(d *acme.Directory) { d.Quorum = true }}, func(t *testing.T, f *fixture) {
		c := f.account(t, "main")
		_, _, err := f.order(t.Context(), c, validation.HTTP01, request(t, newKey(t), "www.example.com"), "www.example.com")
		require.Error(t, err)
		assert.Zero(t, f.authority.calls)
	})
}
