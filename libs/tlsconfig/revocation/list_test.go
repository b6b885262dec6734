package revocation_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

// The extensions of RFC 5280 sections 4.2.1.15, 5.2.4 and 5.2.5, encoded here once more.
type (
	pointName struct {
		Full []asn1.RawValue `asn1:"optional,tag:0"`
	}
	scope struct {
		Point          pointName      `asn1:"optional,tag:0"`
		OnlyUsers      bool           `asn1:"optional,tag:1"`
		OnlyCAs        bool           `asn1:"optional,tag:2"`
		SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
		Indirect       bool           `asn1:"optional,tag:4"`
		OnlyAttributes bool           `asn1:"optional,tag:5"`
	}
	point struct {
		Name pointName `asn1:"optional,tag:0"`
	}
)

func uri(text string) []asn1.RawValue {
	return []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(text)}}
}

func extension(t testing.TB, critical bool, value any, oid ...int) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(value)
	require.NoError(t, err)
	return pkix.Extension{Id: oid, Critical: critical, Value: der}
}

// with adds extensions to a list.
func with(extensions ...pkix.Extension) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, extensions...) }
}

func scoped(t testing.TB, s scope) func(*x509.RevocationList) {
	t.Helper()
	return with(extension(t, true, s, 2, 5, 29, 28))
}

func deltaOf(t testing.TB, base int64) func(*x509.RevocationList) {
	t.Helper()
	return with(extension(t, true, big.NewInt(base), 2, 5, 29, 27))
}

func freshest(t testing.TB, url string) func(*x509.RevocationList) {
	t.Helper()
	return with(extension(t, false, []point{{pointName{uri(url)}}}, 2, 5, 29, 46))
}

func TestCheck_LooksIntoTheListWhenTheResponderIsSilent(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	for _, responder := range []string{"", "/down"} {
		good, bad := p.leaf(t, responder, "/list"), p.leaf(t, responder, "/list")
		p.serve("/list", p.list(t, 1, []*issued{bad}))
		k := p.checker(t)
		require.NoError(t, k.Check(t.Context(), p.chain(good)))
		err := k.Check(t.Context(), p.chain(bad))
		require.ErrorIs(t, err, revocation.ErrRevoked)
		assert.ErrorContains(t, err, "reason 1")
		require.ErrorIs(t, p.checker(t, permissive).Check(t.Context(), p.chain(bad)), revocation.ErrRevoked)
	}
}

func TestCheck_AsksTheResponderFirst(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "/list")
	p.on("/ocsp", p.witness(t))
	p.serve("/list", p.list(t, 1, []*issued{leaf}))
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)))
	assert.Zero(t, p.count("/list"))
}

func TestCheck_BelievesNoListThatDoesNotSpeakForTheCertificate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "", "/list")
	twin := certify(t, authorityTemplate("issuing"), p.root)
	template := authorityTemplate("issuing")
	template.KeyUsage = x509.KeyUsageCertSign
	mute := certifyKey(t, template, p.ca.key, p.root) // the same name and key, but it may not sign lists
	at := func(this, next time.Duration) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = p.time.read().Add(this), p.time.read().Add(next)
		}
	}
	own := p.url + "/list"
	for name, der := range map[string][]byte{
		"another authority of the same name": p.listBy(t, twin, 1, nil),
		"the root":                           p.listBy(t, p.root, 1, nil),
		"too old":                            p.list(t, 1, nil, at(-time.Hour, -time.Second)),
		"ending now":                         p.list(t, 1, nil, at(-time.Hour, 0)),
		"of the future":                      p.list(t, 1, nil, at(6*time.Minute, time.Hour)),
		"another distribution point":         p.list(t, 1, nil, scoped(t, scope{Point: pointName{uri(p.url + "/other")}})),
		"authorities only":                   p.list(t, 1, nil, scoped(t, scope{OnlyCAs: true})),
		"attribute certificates only":        p.list(t, 1, nil, scoped(t, scope{OnlyAttributes: true})),
		"some reasons":                       p.list(t, 1, nil, scoped(t, scope{SomeReasons: asn1.BitString{Bytes: []byte{0x40}, BitLength: 2}})),
		"indirect":                           p.list(t, 1, nil, scoped(t, scope{Indirect: true})),
		"a delta":                            p.list(t, 2, nil, deltaOf(t, 1)),
		"a delta of this point":              p.list(t, 2, nil, deltaOf(t, 1), scoped(t, scope{Point: pointName{uri(own)}})),
		"critical extension":                 p.list(t, 1, nil, with(extension(t, true, 1, 1, 2, 3))),
		"critical extension of an entry": p.list(t, 1, []*issued{p.leaf(t, "", "")}, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{extension(t, true, 1, 1, 2, 3)}
		}),
		"text": []byte("nobody is revoked"),
		"none": nil,
	} {
		p.serve("/list", der)
		require.ErrorIs(t, p.checker(t).Check(t.Context(), p.chain(leaf)), revocation.ErrUndetermined, name)
		require.NoError(t, p.checker(t, permissive).Check(t.Context(), p.chain(leaf)), name)
	}
	p.serve("/list", p.list(t, 1, nil))
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)))
	chain := []*x509.Certificate{leaf.certificate, mute.certificate, p.root.certificate}
	require.ErrorIs(t, p.checker(t).Check(t.Context(), chain), revocation.ErrUndetermined, "an issuer without cRLSign")

	usersOnly := p.list(t, 1, nil, scoped(t, scope{Point: pointName{uri(own)}, OnlyUsers: true}))
	p.serve("/list", usersOnly)
	require.NoError(t, p.checker(t).Check(t.Context(), p.chain(leaf)))
}

func TestCheck_ReadsTheShardOfTheCertificate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	one, two := p.leaf(t, "", "/shard/1"), p.leaf(t, "", "/shard/2")
	shard := func(n string, revoked ...*issued) []byte {
		return p.list(t, 1, revoked, scoped(t, scope{Point: pointName{uri(p.url + "/shard/" + n)}, OnlyUsers: true}))
	}
	p.serve("/shard/1", shard("1", one))
	p.serve("/shard/2", shard("2"))
	k := p.checker(t)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(one)), revocation.ErrRevoked)
	require.NoError(t, k.Check(t.Context(), p.chain(two)))

	p.serve("/shard/1", shard("2")) // a genuine list, put in the place of the one that holds the certificate
	require.ErrorIs(t, p.checker(t).Check(t.Context(), p.chain(one)), revocation.ErrUndetermined)
}

func TestCheck_AppliesDeltas(t *testing.T) {
	t.Parallel()
	removed := func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 8 }
	for name, c := range map[string]struct {
		base, delta func(p *pki, leaf *issued) []byte
		revoked     bool
	}{
		"the delta revokes": {
			func(p *pki, _ *issued) []byte { return p.list(t, 5, nil, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte { return p.list(t, 6, []*issued{leaf}, deltaOf(t, 5)) }, true,
		},
		"the delta is of an earlier base": {
			func(p *pki, _ *issued) []byte { return p.list(t, 5, nil, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte { return p.list(t, 6, []*issued{leaf}, deltaOf(t, 3)) }, true,
		},
		"the delta takes back": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte { return p.list(t, 6, []*issued{leaf}, deltaOf(t, 5), removed) }, false,
		},
		"the delta is of a later base": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte { return p.list(t, 7, []*issued{leaf}, deltaOf(t, 6), removed) }, true,
		},
		"the delta is older than the list": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte { return p.list(t, 4, []*issued{leaf}, deltaOf(t, 3), removed) }, true,
		},
		"the delta has another scope": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte {
				return p.list(t, 6, []*issued{leaf}, deltaOf(t, 5), removed, scoped(t, scope{OnlyUsers: true}))
			}, true,
		},
		"the delta is a whole list": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, _ *issued) []byte { return p.list(t, 6, nil) }, true,
		},
		"the delta is of somebody else": {
			func(p *pki, leaf *issued) []byte { return p.list(t, 5, []*issued{leaf}, freshest(t, p.url+"/delta")) },
			func(p *pki, leaf *issued) []byte {
				return p.listBy(t, certify(t, authorityTemplate("issuing"), p.root), 6, []*issued{leaf}, deltaOf(t, 5), removed)
			}, true,
		},
		"the delta cannot be had": {
			func(p *pki, _ *issued) []byte { return p.list(t, 5, nil, freshest(t, p.url+"/absent")) },
			func(*pki, *issued) []byte { return nil }, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			leaf := p.leaf(t, "", "/list")
			p.serve("/list", c.base(p, leaf))
			p.serve("/delta", c.delta(p, leaf))
			err := p.checker(t).Check(t.Context(), p.chain(leaf))
			if c.revoked {
				require.ErrorIs(t, err, revocation.ErrRevoked)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestCheck_FindsTheDeltaThatTheCertificateNames(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "", "/list", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{extension(t, false, []point{{pointName{uri(p.url + "/delta")}}}, 2, 5, 29, 46)}
	})
	p.serve("/list", p.list(t, 1, nil))
	p.serve("/delta", p.list(t, 2, []*issued{leaf}, deltaOf(t, 1)))
	require.ErrorIs(t, p.checker(t).Check(t.Context(), p.chain(leaf)), revocation.ErrRevoked)
}

func TestCheck_LooksIntoListsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	file := filepath.Join(t.TempDir(), "list.pem")
	good, bad := p.leaf(t, "", ""), p.leaf(t, "", "")
	foreign := filepath.Join(t.TempDir(), "foreign.crl")
	require.NoError(t, os.WriteFile(foreign, p.listBy(t, p.root, 1, nil), 0o600))
	write := func(number int64, revoked ...*issued) {
		text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: p.list(t, number, revoked)})
		require.NoError(t, os.WriteFile(file+".new", text, 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	write(1, bad)
	configured := func(c *revocation.Config, o *revocation.Options) {
		c.CRLs, o.Poll = []string{foreign, file}, time.Millisecond
	}
	k := p.checker(t, configured)
	done := make(chan struct{})
	go func() { defer close(done); k.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	require.NoError(t, k.Check(t.Context(), p.chain(good)))
	require.ErrorIs(t, k.Check(t.Context(), p.chain(bad)), revocation.ErrRevoked)

	write(2, bad, good)
	require.Eventually(t, func() bool { return k.Check(t.Context(), p.chain(good)) != nil }, 20*time.Second, time.Millisecond)
	require.ErrorIs(t, k.Check(t.Context(), p.chain(good)), revocation.ErrRevoked, "a list that changes counts at once")

	require.NoError(t, os.WriteFile(file, []byte("damaged"), 0o600))
	require.Never(t, func() bool { return k.Check(t.Context(), p.chain(good)) == nil }, 50*time.Millisecond, 5*time.Millisecond, "damage frees nobody")

	p.serve("/configured", p.list(t, 1, []*issued{bad}))
	k = p.checker(t, func(c *revocation.Config, _ *revocation.Options) { c.CRLs = []string{p.url + "/configured"} })
	require.NoError(t, k.Check(t.Context(), p.chain(good)))
	require.ErrorIs(t, k.Check(t.Context(), p.chain(bad)), revocation.ErrRevoked)
}

func TestCheck_LooksAtTheWholeChain(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	template := authorityTemplate("named")
	template.CRLDistributionPoints = []string{p.url + "/root"}
	middle := certify(t, template, p.root)
	leaf := certify(t, x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, middle)
	chain := []*x509.Certificate{leaf.certificate, middle.certificate, p.root.certificate}
	p.serve("/root", p.listBy(t, p.root, 1, nil, scoped(t, scope{OnlyCAs: true})))
	require.NoError(t, p.checker(t).Check(t.Context(), chain))
	p.serve("/root", p.listBy(t, p.root, 1, []*issued{middle}))
	require.ErrorIs(t, p.checker(t).Check(t.Context(), chain), revocation.ErrRevoked)
	p.on("/root", func([]byte) (int, []byte) { return http.StatusServiceUnavailable, nil })
	require.ErrorIs(t, p.checker(t).Check(t.Context(), chain), revocation.ErrUndetermined)
	p.serve("/root", p.listBy(t, p.root, 1, nil, scoped(t, scope{OnlyUsers: true})))
	require.ErrorIs(t, p.checker(t).Check(t.Context(), chain), revocation.ErrUndetermined)
}
