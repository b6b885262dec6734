package revocation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func TestCheck_PassesCertificatesThatNameNobodyIfTheyAreOwnOrShortLived(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	lives := func(d time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(d-time.Hour)
		}
	}
	own := func(_ *revocation.Config, o *revocation.Options) {
		o.OwnRoots = []*x509.Certificate{p.root.certificate}
	}
	foreign := func(_ *revocation.Config, o *revocation.Options) {
		o.OwnRoots = []*x509.Certificate{certify(t, authorityTemplate("root"), nil).certificate, p.ca.certificate}
	}
	ldap := func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"ldap://127.0.0.1/cn=list"} }
	directory := func(c *x509.Certificate) { // a responder that is named by a directory name, not by a URL
		der, err := asn1.Marshal([]struct {
			Method asn1.ObjectIdentifier
			Place  asn1.RawValue
		}{{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}, asn1.RawValue{Class: 2, Tag: 4, IsCompound: true, Bytes: p.root.certificate.RawSubject}}})
		require.NoError(t, err)
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, Value: der}}
	}
	issuerURL := func(c *x509.Certificate) { c.IssuingCertificateURL = []string{p.url + "/issuer"} }
	week := 7 * 24 * time.Hour
	for name, c := range map[string]struct {
		leaf   *issued
		change func(*revocation.Config, *revocation.Options)
		passes bool
	}{
		"long":                               {p.leaf(t, "", ""), foreign, false},
		"long, own root":                     {p.leaf(t, "", ""), own, true},
		"long, own root, permissive":         {p.leaf(t, "", ""), permissive, true},
		"a week":                             {p.leaf(t, "", "", lives(week)), foreign, true},
		"a week and a second":                {p.leaf(t, "", "", lives(week+time.Second)), foreign, false},
		"own root, names the issuer's place": {p.leaf(t, "", "", issuerURL), own, true},
		"own root, names a list":             {p.leaf(t, "", "/absent"), own, false},
		"own root, names a responder":        {p.leaf(t, "/absent", ""), own, false},
		"own root, names LDAP":               {p.leaf(t, "", "", ldap), own, false},
		"own root, names a directory":        {p.leaf(t, "", "", directory), own, false},
		"a week, names LDAP":                 {p.leaf(t, "", "", lives(week), ldap), foreign, false},
	} {
		err := p.checker(t, c.change).Check(t.Context(), p.chain(c.leaf))
		if c.passes {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, revocation.ErrUndetermined, name)
		}
	}
	bad := p.leaf(t, "", "")
	p.serve("/list", p.list(t, 1, []*issued{bad}))
	k := p.checker(t, own, func(c *revocation.Config, _ *revocation.Options) { c.CRLs = []string{p.url + "/list"} })
	require.ErrorIs(t, k.Check(t.Context(), p.chain(bad)), revocation.ErrRevoked, "a list of the configuration counts for these too")
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(bad)[2:]), "a root is its own status")
}

func TestCheck_ReachesNoPrivateAddressUnlessAdmitted(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "/list")
	p.on("/ocsp", p.witness(t))
	guarded := func(c *revocation.Config, _ *revocation.Options) { c.AllowAddresses = nil }
	err := p.checker(t, guarded).Check(t.Context(), p.chain(leaf))
	require.ErrorIs(t, err, revocation.ErrUndetermined)
	require.ErrorContains(t, err, "loopback")
	assert.Zero(t, p.count("/ocsp")+p.count("/list"))
}

func TestCheck_RemembersUntilNextUpdate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	p.on("/ocsp", p.witness(t))
	k := p.checker(t)
	for range 100 {
		require.NoError(t, k.Check(t.Context(), p.chain(leaf)))
	}
	assert.Equal(t, 1, p.count("/ocsp"))

	p.time.add(50 * time.Minute) // more than three quarters: it is renewed beside the requests
	require.NoError(t, k.Check(t.Context(), p.chain(leaf)))
	require.Eventually(t, func() bool { return p.count("/ocsp") == 2 }, 20*time.Second, time.Millisecond)

	p.on("/ocsp", p.witness(t, leaf)) // revoked: known when an hour, the life of an answer, is over
	p.time.add(time.Hour)
	require.Eventually(t, func() bool {
		p.time.add(time.Minute) // an answer that was under way may have begun with the hour
		return errors.Is(k.Check(t.Context(), p.chain(leaf)), revocation.ErrRevoked)
	}, 20*time.Second, time.Millisecond)
}

func TestCheck_OutlivesAnOutageUntilNextUpdateOnly(t *testing.T) {
	t.Parallel()
	for _, paths := range [][2]string{{"/ocsp", ""}, {"", "/list"}} {
		p := newPKI(t)
		leaf := p.leaf(t, paths[0], paths[1])
		path := paths[0] + paths[1]
		p.on("/ocsp", p.witness(t))
		p.serve("/list", p.list(t, 1, nil))
		k := p.checker(t)
		require.NoError(t, k.Check(t.Context(), p.chain(leaf)))
		p.on(path, func([]byte) (int, []byte) { return http.StatusBadGateway, nil })
		p.time.add(55 * time.Minute)
		for range 10 {
			require.NoError(t, k.Check(t.Context(), p.chain(leaf)), "what is known is good until it ends")
		}
		require.Eventually(t, func() bool { return p.count(path) >= 2 }, 20*time.Second, time.Millisecond)
		p.time.add(5 * time.Minute)
		require.Eventually(t, func() bool { return k.Check(t.Context(), p.chain(leaf)) != nil }, 20*time.Second, time.Millisecond)
		require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined)

		asked := p.count(path)
		for range 50 {
			require.Error(t, k.Check(t.Context(), p.chain(leaf)))
		}
		assert.Equal(t, asked, p.count(path), "an outage is not made worse")
		p.on("/ocsp", p.witness(t))
		p.serve("/list", p.list(t, 2, nil))
		p.time.add(11 * time.Second)
		require.Eventually(t, func() bool { return k.Check(t.Context(), p.chain(leaf)) == nil }, 20*time.Second, time.Millisecond)
	}
}

func TestCheck_GivesNoWayToOlderEvidence(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "", "/list")
	early := p.list(t, 1, nil) // says nothing of the revocation, and is still valid
	p.serve("/list", p.list(t, 2, []*issued{leaf}))
	k := p.checker(t)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrRevoked)
	p.serve("/list", early)
	for range 5 {
		p.time.add(11 * time.Minute)
		require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrRevoked)
	}
	require.Eventually(t, func() bool { return p.count("/list") > 1 }, 20*time.Second, time.Millisecond)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(leaf)), revocation.ErrRevoked)

	stapled := p.leaf(t, "/ocsp", "")
	before := p.good(t, stapled).der(t)
	p.time.add(2 * time.Minute)
	p.on("/ocsp", p.witness(t, stapled))
	require.ErrorIs(t, k.Check(t.Context(), p.chain(stapled)), revocation.ErrRevoked)
	p.time.add(50 * time.Minute)
	k.TakeStaple(p.chain(stapled), before)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(stapled)), revocation.ErrRevoked)
}

func TestTakeStaple_SavesTheQuestion(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	good, bad := p.leaf(t, "/ocsp", ""), p.leaf(t, "/ocsp", "")
	k := p.checker(t)
	k.TakeStaple(p.chain(good), p.good(t, good).der(t))
	require.NoError(t, k.Check(t.Context(), p.chain(good)))
	r := p.good(t, bad)
	r.data.Singles[0].Good, r.data.Singles[0].Revoked = false, revokedInfo{At: time.Now().UTC()}
	k.TakeStaple(p.chain(bad), r.der(t))
	require.ErrorIs(t, k.Check(t.Context(), p.chain(bad)), revocation.ErrRevoked)
	assert.Zero(t, p.count("/ocsp"))

	k.TakeStaple(p.chain(bad), p.good(t, good).der(t)) // of another certificate
	k.TakeStaple(p.chain(good)[2:], p.good(t, good).der(t))
	k.TakeStaple(nil, nil)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(bad)), revocation.ErrRevoked)
}

func TestCheck_AsksOnceForManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	hold, witness := make(chan struct{}), p.witness(t)
	p.on("/ocsp", func(question []byte) (int, []byte) { <-hold; return witness(question) })
	k := p.checker(t)
	var running sync.WaitGroup
	for range 50 {
		running.Go(func() { assert.NoError(t, k.Check(t.Context(), p.chain(leaf))) })
	}
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := k.Check(impatient, p.chain(leaf))
	require.ErrorIs(t, err, context.DeadlineExceeded, "who asks may leave")
	require.ErrorIs(t, err, revocation.ErrUndetermined)
	close(hold)
	running.Wait()
	assert.Equal(t, 1, p.count("/ocsp"))
}

func TestCheck_EndsWithAResponderThatNeverAnswers(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "/list")
	hold := make(chan struct{})
	p.on("/ocsp", func([]byte) (int, []byte) { <-hold; return http.StatusOK, nil })
	p.serve("/list", p.list(t, 1, nil))
	defer close(hold)
	quick := func(c *revocation.Config, _ *revocation.Options) { c.Timeout = 50 * time.Millisecond }
	require.NoError(t, p.checker(t, quick).Check(t.Context(), p.chain(leaf)), "the list answers")
}

func TestClose_EndsLookUps(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf, known := p.leaf(t, "/hang", ""), p.leaf(t, "/ocsp", "")
	p.on("/ocsp", p.witness(t))
	hold, reached := make(chan struct{}), make(chan struct{})
	p.on("/hang", func([]byte) (int, []byte) { close(reached); <-hold; return http.StatusOK, nil })
	defer close(hold)
	k := p.checker(t, func(c *revocation.Config, _ *revocation.Options) { c.Timeout = time.Minute })
	require.NoError(t, k.Check(t.Context(), p.chain(known)))
	refused := make(chan error, 1)
	go func() { refused <- k.Check(t.Context(), p.chain(leaf)) }()
	<-reached
	k.Close()
	require.ErrorIs(t, <-refused, revocation.ErrUndetermined)
	require.NoError(t, k.Check(t.Context(), p.chain(known)))
	require.ErrorIs(t, k.Check(t.Context(), p.chain(p.leaf(t, "/ocsp", ""))), revocation.ErrUndetermined)
}

func TestCheck_RefusesAChainThatWasNotVerified(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	p.on("/ocsp", p.witness(t))
	twin := certify(t, authorityTemplate("issuing"), p.root)
	err := p.checker(t).Check(t.Context(), []*x509.Certificate{leaf.certificate, twin.certificate, p.root.certificate})
	require.ErrorIs(t, err, revocation.ErrUndetermined)
	assert.Zero(t, p.count("/ocsp"))
}

func TestNew_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]revocation.Config{
		`mode`:              {Mode: "lenient"},
		"crls[0]":           {CRLs: []string{"list.crl"}},
		"crls[1]":           {CRLs: []string{"http://x/", "ftp://x/"}},
		"allow_addresses":   {AllowAddresses: []string{"10.0.0.0/33"}},
		"timeout":           {Timeout: -1},
		"no such file":      {CRLs: []string{"/nonexistent/list.crl"}},
		"revocation list /": {CRLs: []string{"/dev/null"}},
	} {
		_, err := revocation.New(c, revocation.Options{})
		require.ErrorContains(t, err, want)
	}
	assert.False(t, bytes.Contains([]byte((&revocation.Error{}).ErrorCode()), []byte(" ")))
}
