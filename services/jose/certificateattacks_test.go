package jose_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestCertificate_RefusesChainsThatProveNothing(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	o := newOpenSSL(t)
	root, stranger := o.root(t, "root"), o.root(t, "root") // of the same name
	issuer := root.subordinate(t, "issuer", authorityExtensions)
	shallow := root.subordinate(t, "shallow", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n")
	below := shallow.subordinate(t, "below", authorityExtensions)
	narrow := root.subordinate(t, "narrow", authorityExtensions+"nameConstraints=critical,permitted;DNS:.inside.example\n")
	unfit := root.subordinate(t, "unfit", leafExtensions)
	s.create(t, token, "signer", "ES256")
	s.create(t, token, "other", "ES256")
	csr := s.post(t, token, "keys/signer/csr", object{"dns_names": []string{"a.outside.example"}}).Member(t, "pem")
	by := func(c certifier, options ...string) string { return c.sign(t, csr, leafExtensions, options...) }
	leaf := by(issuer)
	huge := root.sign(t, csr, leafExtensions+"nsComment="+strings.Repeat("x", 17<<10)+"\n")
	forged := strings.Replace(leaf, "\n", "\nMIIB", 1)
	for what, c := range map[string]struct{ pem, word string }{
		"nothing":                    {" \n", "no certificate"},
		"text":                       {"certificate", "not a list"},
		"text behind it":             {leaf + "more", "not a list"},
		"half of one":                {leaf[:len(leaf)/2], "not a list"},
		"one that cannot be read":    {forged, "cannot be read"},
		"the request":                {csr, "something else"},
		"a private key beside it":    {leaf + o.read(t, issuer.key), "something else"},
		"headers in it":              {strings.Replace(leaf, "CERTIFICATE-----\n", "CERTIFICATE-----\nA: b\n\n", 1), "something else"},
		"another key's":              {s.certify(t, token, "other", 0, issuer) + issuer.pem, "another key"},
		"the issuer's first":         {issuer.pem + leaf, "another key"},
		"another issuer's behind it": {leaf + shallow.pem, "not made by"},
		"another root of the name":   {leaf + issuer.pem + stranger.pem, "not made by"},
		"a link left out":            {leaf + root.pem, "not made by"},
		"one link twice":             {leaf + issuer.pem + issuer.pem, "not made by"},
		"an issuer that may not":     {by(unfit) + unfit.pem + root.pem, "not made by"},
		"a path that is too long":    {by(below) + below.pem + shallow.pem + root.pem, "breaks a rule"},
		"a name that is not allowed": {by(narrow) + narrow.pem + root.pem, "breaks a rule"},
		"eleven certificates":        {strings.Repeat(leaf, 11), "at most"},
		"seventeen KiB":              {huge, "at most"},
		"one of an authority":        {root.sign(t, csr, authorityExtensions), "authority"},
		"for encryption":             {root.sign(t, csr, "keyUsage=critical,keyAgreement\n"), "digitalSignature"},
		"for certificates":           {root.sign(t, csr, "keyUsage=critical,keyCertSign\n"), "digitalSignature"},
		"signed on SHA-1":            {by(root, "-sha1"), "algorithm that is refused"},
		"a link on SHA-1":            {leaf + sha1(t, issuer, root), "algorithm that is refused"},
		"a critical unknown rule":    {root.sign(t, csr, leafExtensions+"1.3.6.1.4.1.55555.1=critical,ASN1:UTF8String:x\n"), "breaks a rule"},
	} {
		got := s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": c.pem})
		got.refused(t, http.StatusBadRequest, "invalid_certificate", what)
		assert.Contains(t, got.Member(t, "detail"), c.word, what)
	}
	s.call(t, token, http.MethodGet, "keys/signer/certificate", nil).refused(t, http.StatusNotFound, "not_found", "nothing was stored")
	for what, chain := range map[string]string{
		"leaf alone": leaf, "without root": leaf + issuer.pem, "with root": leaf + issuer.pem + root.pem,
		"without key usage": root.sign(t, csr, "basicConstraints=critical,CA:FALSE\n"),
	} {
		got := s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": chain})
		assert.Equal(t, http.StatusOK, got.Status, "%s: %s", what, got.Body)
	}
}

// sha1 is the certificate of an authority again, signed on SHA-1.
func sha1(t testing.TB, of, by certifier) string {
	t.Helper()
	csr := of.path()
	of.run(t, "req", "-new", "-key", of.key, "-subj", "/CN=issuer", "-out", csr)
	return by.sign(t, of.read(t, csr), authorityExtensions, "-sha1")
}

func TestCertificate_RefusesRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.create(t, token, "signer", "ES256")
	many := make([]string, 101)
	for i := range many {
		many[i] = "a.example"
	}
	for what, ask := range map[string]object{
		"nothing": {}, "an empty subject": {"subject": object{}}, "an empty name": {"subject": object{"common_name": ""}},
		"a long name": {"subject": object{"common_name": strings.Repeat("x", 65)}}, "a country of three": {"subject": object{"country": "DEU"}},
		"U+0000": {"subject": object{"common_name": "a\x00b"}}, "an attribute that is not offered": {"subject": object{"serial_number": "1"}},
		"a host with a space": {"dns_names": []string{"a b.example"}}, "a host with a comma": {"dns_names": []string{"a.example,DNS:b.example"}},
		"an inner wildcard": {"dns_names": []string{"a.*.example"}}, "a host in capitals": {"dns_names": []string{"A.example"}},
		"a host with a line's end": {"dns_names": []string{"a.example\nb.example"}}, "an empty label": {"dns_names": []string{"a..example"}},
		"a host in Unicode": {"dns_names": []string{"ä.example"}}, "a long label": {"dns_names": []string{strings.Repeat("a", 64) + ".example"}},
		"an address with a zone": {"ip_addresses": []string{"fe80::1%eth0"}}, "a prefix": {"ip_addresses": []string{"192.0.2.0/24"}},
		"a mail address with a name": {"email_addresses": []string{"A <a@example.org>"}}, "a mail address without host": {"email_addresses": []string{"a"}},
		"a relative URI": {"uris": []string{"/a"}}, "a URI with a space": {"uris": []string{"https://a.example/ b"}}, "101 names": {"dns_names": many},
		"version 0": {"version": 0, "dns_names": []string{"a.example"}}, "an unknown member": {"dns_names": []string{"a.example"}, "x": 1},
	} {
		got := s.call(t, token, http.MethodPost, "keys/signer/csr", ask)
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", what, got.Body)
		assert.Contains(t, []string{"validation_failed", "unknown_member", "malformed_body"}, got.Member(t, "code"), what)
	}
}

// What cannot sign for others is not certified.
func TestCertificate_IsForKeysThatSign(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	o := newOpenSSL(t)
	root := o.root(t, "root")
	s.create(t, token, "signer", "ES256")
	s.create(t, token, "mac", "HS256")
	s.create(t, token, "box", "A256GCM/ECDH-ES+A256KW")
	s.create(t, token, "idle", "ES256")
	_, _, public := generate(t, "ES256")
	s.post(t, token, "keys/import", object{"name": "public", "algorithm": "ES256", "jwk": raw(public)})
	leaf := s.certify(t, token, "signer", 0, root)
	s.post(t, token, "keys/idle/disable", nil)
	s.post(t, token, "keys/signer/rotate", object{"immediate": true})
	require.Equal(t, http.StatusOK, s.administer(t, http.MethodPost, "keys/signer/versions/1/destroy", nil).Status)
	for key, c := range map[string]struct {
		version int
		status  int
		code    string
	}{
		"mac": {1, http.StatusConflict, "wrong_key_use"}, "box": {1, http.StatusConflict, "wrong_key_use"}, "public": {1, http.StatusConflict, "no_private_key"},
		"idle": {1, http.StatusConflict, "invalid_state"}, "nobody": {1, http.StatusNotFound, "not_found"}, "signer": {1, http.StatusNotFound, "not_found"},
	} {
		s.call(t, token, http.MethodPost, "keys/"+key+"/csr", object{"dns_names": []string{"a.example"}, "version": c.version}).refused(t, c.status, c.code, key)
		s.call(t, token, http.MethodPut, "keys/"+key+"/certificate", object{"pem": leaf, "version": c.version}).refused(t, c.status, c.code, key)
	}
	for scope, allowed := range map[string]bool{"jose:certify": true, "jose:write": false, "jose:sign": false, "jose:read": false} {
		who := s.Token(t, "default", "has-"+strings.ReplaceAll(scope, ":", "-"), scope)
		got := s.call(t, who, http.MethodPost, "keys/signer/csr", object{"dns_names": []string{"a.example"}})
		assert.Equal(t, allowed, got.Status == http.StatusOK, "%s: %s", scope, got.Body)
	}
	s.call(t, token, http.MethodPost, "jws/sign", object{"key": "signer", "payload": "aGk", "certificate_chain": true}).
		refused(t, http.StatusConflict, "no_certificate", "it has none")
	s.call(t, token, http.MethodPost, "jws/sign", object{"key": "mac", "payload": "aGk", "certificate_chain": true}).
		refused(t, http.StatusConflict, "no_certificate", "a shared secret has none")
	s.call(t, token, http.MethodPost, "jws/sign", object{"key": "signer", "payload": "aGk", "header": object{"x5t#S256": hashOf(nil)}}).
		refused(t, http.StatusBadRequest, "invalid_input", "a hash of the caller's")
}

// Whoever can write to the database gives no key another's certificate.
func TestCertificate_InAnotherKeysRowIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		root := newOpenSSL(t).root(t, "root")
		s.create(t, token, "victim", "ES256")
		s.create(t, token, "thief", "ES256")
		require.Equal(t, http.StatusOK, s.call(t, token, http.MethodPut, "keys/thief/certificate", object{"pem": s.certify(t, token, "thief", 0, root)}).Status)
		s.post(t, token, "jws/sign", object{"key": "victim", "payload": "aGk"}) // it is open in memory
		db, err := database.Open(t.Context(), s.Config.Database, database.Options{Log: slog.New(slog.DiscardHandler), Application: "test"})
		require.NoError(t, err)
		defer func() { assert.NoError(t, db.Close()) }()
		_, err = db.Exec(database.WithTenant(t.Context(), "default"), `UPDATE jose_key_versions SET certificate = (
			SELECT v.certificate FROM jose_key_versions v WHERE v.tenant_id = $1 AND v.certificate <> '') WHERE tenant_id = $1`, "default")
		require.NoError(t, err)
		got := s.administer(t, http.MethodGet, "keys/victim/public-key", nil)
		assert.Equal(t, http.StatusInternalServerError, got.Status, "%s", got.Body)
		s.get(t, token, "keys/thief/public-key")
	})
}
