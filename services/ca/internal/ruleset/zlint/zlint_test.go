package zlint_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/testkit"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/zlint"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var now = time.Date(2026, 11, 22, 10, 30, 15, 0, time.UTC)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// start needs the program, which scripts/tools.sh installs.
func start(t testing.TB) *zlint.Linter {
	t.Helper()
	l, err := zlint.New(t.Context(), testkit.RequireTool(t, "zlint"))
	require.NoError(t, err)
	require.Greater(t, l.Lints(), 300)
	return l
}

// template completes an intent as an issuer with an EC key does.
func template(intent certificate.Intent) *certificate.Template {
	return &certificate.Template{
		Intent: intent, Serial: certificate.NewSerial(),
		Issuer: must(certificate.EncodeName(certificate.Attribute{Type: []int{2, 5, 4, 6}, Value: "CH"},
			certificate.Attribute{Type: []int{2, 5, 4, 10}, Value: "Example"}, certificate.Attribute{Type: []int{2, 5, 4, 3}, Value: "Example CA"})),
		Signature:      must(certificate.Identifier(x509.ECDSAWithSHA256)),
		AuthorityKeyID: make([]byte, certificate.KeyIDBytes), OCSP: []string{"http://ocsp.example.com"}, IssuerURLs: []string{"http://ca.example.com/ca.cer"},
		CRL: []string{"http://ca.example.com/0.crl"},
	}
}

func TestCheck_BuiltInProfilesOfTheWebAreFreeOfErrorsForEveryKey(t *testing.T) {
	t.Parallel()
	l := start(t)
	keys := map[string]crypto.PublicKey{}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		keys[curve.Params().Name] = must(ecdsa.GenerateKey(curve, rand.Reader)).Public()
	}
	for name, bits := range map[string]int{"RSA-2048": 2048, "RSA-3072": 3072} {
		keys[name] = must(rsa.GenerateKey(rand.Reader, bits)).Public()
	}
	set, err := profile.Load("", now)
	require.NoError(t, err)
	names, webs := certificate.SAN{DNS: []string{"www.example.com", "example.com"}}, 0
	for _, name := range set.Names() {
		p, err := set.Find(name)
		require.NoError(t, err)
		if p.Family != string(ruleset.BR) {
			continue
		}
		webs++
		for kind, public := range keys {
			request := &certificate.Request{RawSubject: []byte{0x30, 0}, SAN: names, PublicKey: public, SPKI: must(x509.MarshalPKIXPublicKey(public))}
			intent, err := p.Apply(request, profile.Asked{}, now)
			require.NoError(t, err, "%s %s", name, kind)
			tbs, err := template(intent).TBS()
			require.NoError(t, err)
			assert.Empty(t, ruleset.New(nil).Check(tbs, intent, ruleset.BR, now), "%s %s: our rules", name, kind)
			found, err := l.Check(t.Context(), tbs, ruleset.BR)
			require.NoError(t, err)
			for _, f := range found {
				assert.NotEqual(t, ruleset.Error, f.Severity, "%s %s: %v", name, kind, f)
			}
		}
	}
	assert.Equal(t, 2, webs)
}

func TestCheck_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	l := start(t)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	wrong := template(certificate.Intent{
		Subject: must(certificate.EncodeName(certificate.Attribute{Type: []int{2, 5, 4, 11}, Value: "Unit"})), SAN: certificate.SAN{DNS: []string{"db.internal"}},
		SPKI: must(x509.MarshalPKIXPublicKey(key.Public())), NotBefore: now, NotAfter: now.AddDate(2, 0, 0),
	})
	wrong.Extensions = append(wrong.Extensions, must(certificate.KeyUsage(x509.KeyUsageDigitalSignature)),
		must(certificate.ExtendedKeyUsage(false, []int{1, 3, 6, 1, 5, 5, 7, 3, 1})))
	tbs := must(wrong.TBS())
	found, err := l.Check(t.Context(), tbs, ruleset.BR)
	require.NoError(t, err)
	assert.True(t, ruleset.HasError(found))
	names := map[string]bool{}
	for _, f := range found {
		names[f.Rule] = true
		assert.NotEmpty(t, f.Detail)
	}
	for _, lint := range []string{
		"e_organizational_unit_name_prohibited", "e_dnsname_not_valid_tld", "e_server_cert_valid_time_longer_than_200_days", "e_sub_cert_certificate_policies_missing",
	} {
		assert.True(t, names["zlint_"+lint], "%s: %v", lint, names)
	}

	private, err := l.Check(t.Context(), tbs, ruleset.Private)
	require.NoError(t, err)
	assert.Less(t, len(private), len(found), "the rules of the web do not count")
}

func TestNew_RefusesWhatIsNotZLint(t *testing.T) {
	t.Parallel()
	_, err := zlint.New(t.Context(), filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for text, want := range map[string]string{
		"exit 1":                  "exit status 1",
		"echo no json":            "read its lints",
		`echo '{"name":1}'`:       "read its lints",
		`echo '{"name":"e_one"}'`: "has 1 lints",
		"while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done": "start zlint",
	} {
		file := filepath.Join(t.TempDir(), "zlint")
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o600))
		require.NoError(t, os.Chmod(file, 0o700))
		_, err := zlint.New(t.Context(), file)
		require.ErrorContains(t, err, want, text)
	}
}

func TestCheck_WithoutAnAnswerThereIsNoOpinion(t *testing.T) {
	t.Parallel()
	l := start(t)
	_, err := l.Check(t.Context(), []byte("text"), ruleset.BR)
	require.Error(t, err)
	_, err = l.Check(t.Context(), []byte{0x30, 2, 2, 0}, ruleset.BR)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Check(ctx, []byte{0x30, 7, 2, 1, 1, 0x30, 2, 6, 0}, ruleset.BR)
	require.ErrorIs(t, err, context.Canceled)
}
