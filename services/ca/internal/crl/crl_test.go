package crl_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

func TestEncode_IsReadBySomebodyElseWithEveryKindOfKey(t *testing.T) {
	t.Parallel()
	entries := []crl.Entry{
		{Serial: []byte{1}, RevokedAt: now},
		{Serial: []byte{0xff, 1}, RevokedAt: now.Add(-time.Hour), Reason: reason.KeyCompromise, InvalidAt: now.Add(-48 * time.Hour)},
		{Serial: bytes.Repeat([]byte{0x7f}, 20), RevokedAt: now, Reason: reason.PrivilegeWithdrawn},
		{Serial: bytes.Repeat([]byte{0xff}, 20), RevokedAt: now, Reason: reason.AACompromise, InvalidAt: now},
		{Serial: []byte{0, 0, 5}, RevokedAt: time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC)},
	}
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, key)
			parsed, err := x509.ParseRevocationList(a.encode(t, a.list(), some(entries...)))
			require.NoError(t, err)
			require.NoError(t, parsed.CheckSignatureFrom(a.certificate))
			assert.Equal(t, a.certificate.RawSubject, parsed.RawIssuer)
			assert.Equal(t, a.certificate.SubjectKeyId, parsed.AuthorityKeyId)
			assert.Equal(t, big.NewInt(7), parsed.Number)
			assert.Equal(t, now, parsed.ThisUpdate)
			assert.Equal(t, now.Add(24*time.Hour), parsed.NextUpdate)
			require.Len(t, parsed.RevokedCertificateEntries, len(entries))
			for i, e := range entries {
				got := parsed.RevokedCertificateEntries[i]
				assert.Equal(t, new(big.Int).SetBytes(e.Serial), got.SerialNumber)
				assert.Equal(t, e.RevokedAt, got.RevocationTime)
				assert.Equal(t, int(e.Reason), got.ReasonCode)
				var invalid time.Time
				for _, x := range got.Extensions {
					assert.False(t, x.Critical)
					if x.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 24}) {
						_, err := asn1.UnmarshalWithParams(x.Value, &invalid, "generalized")
						require.NoError(t, err)
					}
				}
				assert.Equal(t, e.InvalidAt, invalid)
				if e.Reason == reason.Unspecified {
					assert.Empty(t, got.Extensions, "unspecified is left out")
				}
			}
		})
	}
}

func TestEncode_SignsByTheAlgorithmThatIsAskedFor(t *testing.T) {
	t.Parallel()
	key := keys(t)["RSA"]
	a := newAuthority(t, key)
	for _, algorithm := range []x509.SignatureAlgorithm{x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSA} {
		var err error
		a.signer, err = signing.New(key, algorithm)
		require.NoError(t, err)
		parsed, err := x509.ParseRevocationList(a.encode(t, a.list(), some()))
		require.NoError(t, err)
		assert.Equal(t, algorithm, parsed.SignatureAlgorithm)
		require.NoError(t, parsed.CheckSignatureFrom(a.certificate))
	}
	_, err := signing.New(key, x509.SHA1WithRSA)
	require.Error(t, err)
	_, err = signing.New(nil, 0)
	require.Error(t, err)
}

func TestEncode_AListOfNobodyHasNoEntries(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	parsed, err := x509.ParseRevocationList(a.encode(t, a.list(), some()))
	require.NoError(t, err)
	require.NoError(t, parsed.CheckSignatureFrom(a.certificate))
	assert.Empty(t, parsed.RevokedCertificateEntries)
	var tbs struct {
		Version      int
		Algorithm    asn1.RawValue
		Issuer       asn1.RawValue
		This, Next   time.Time
		NoEntries    asn1.RawValue `asn1:"optional,tag:0"` // crlExtensions follow at once
		NothingAfter asn1.RawValue `asn1:"optional"`
	}
	_, err = asn1.Unmarshal(parsed.RawTBSRevocationList, &tbs)
	require.NoError(t, err)
	assert.NotEmpty(t, tbs.NoEntries.FullBytes)
	assert.Empty(t, tbs.NothingAfter.FullBytes)
}

// TestEncode_LengthsAreShortestAtEveryBoundary goes through sizes around those at which lengths take another byte.
func TestEncode_LengthsAreShortestAtEveryBoundary(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 1300, 1301, 1302, 1337, 1338} {
		der := a.encode(t, a.list(), many(n))
		var whole asn1.RawValue
		rest, err := asn1.Unmarshal(der, &whole) // refuses lengths that are not the shortest
		require.NoError(t, err)
		assert.Empty(t, rest)
		parsed, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		require.NoError(t, parsed.CheckSignatureFrom(a.certificate))
		assert.Len(t, parsed.RevokedCertificateEntries, n)
	}
}

// scope is what an issuing distribution point reads back as.
type scope struct {
	Point struct {
		Full []asn1.RawValue `asn1:"optional,tag:0"`
	} `asn1:"optional,tag:0"`
	OnlyUsers       bool `asn1:"optional,tag:1"`
	OnlyAuthorities bool `asn1:"optional,tag:2"`
}

func TestEncode_WritesTheExtensionsOfShardsAndDeltas(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P384()))
	const point, delta = "http://crl.example/ca/3.crl", "http://crl.example/ca/3-delta.crl"
	complete := a.list(func(l *crl.List) {
		l.Scope = &crl.Scope{URLs: []string{point}, OnlyUsers: true}
		l.Freshest = []string{delta}
	})
	change := a.list(func(l *crl.List) {
		l.Base, l.Number = big.NewInt(7), big.NewInt(9)
		l.Scope = &crl.Scope{URLs: []string{point}, OnlyUsers: true}
	})
	authorities := a.list(func(l *crl.List) { l.Scope = &crl.Scope{OnlyAuthorities: true} })

	find := func(l crl.List, last int) (critical bool, value []byte) {
		parsed, err := x509.ParseRevocationList(a.encode(t, l, some()))
		require.NoError(t, err)
		for _, e := range parsed.Extensions {
			if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) {
				return e.Critical, e.Value
			}
		}
		return false, nil
	}
	read := func(der []byte) (s scope) {
		rest, err := asn1.Unmarshal(der, &s)
		require.NoError(t, err)
		require.Empty(t, rest)
		return s
	}
	critical, of := find(complete, 28)
	assert.True(t, critical)
	s := read(of)
	assert.True(t, s.OnlyUsers)
	assert.False(t, s.OnlyAuthorities)
	require.Len(t, s.Point.Full, 1)
	assert.Equal(t, point, string(s.Point.Full[0].Bytes))
	_, ofDelta := find(change, 28)
	assert.Equal(t, of, ofDelta, "a delta has the scope of its base (RFC 5280 section 5.2.4)")

	critical, base := find(change, 27)
	assert.True(t, critical)
	assert.Equal(t, []byte{2, 1, 7}, base)
	_, base = find(complete, 27)
	assert.Nil(t, base)

	critical, freshest := find(complete, 46)
	assert.False(t, critical)
	assert.Contains(t, string(freshest), delta)
	_, freshest = find(change, 46)
	assert.Nil(t, freshest)

	_, of = find(authorities, 28)
	s = read(of)
	assert.True(t, s.OnlyAuthorities)
	assert.Empty(t, s.Point.Full)
}

func TestEncode_RefusesListsThatTheStandardDoesNotAllow(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	for name, change := range map[string]func(*crl.List){
		"no issuer":            func(l *crl.List) { l.Issuer = nil },
		"no key identifier":    func(l *crl.List) { l.AuthorityKeyID = nil },
		"no number":            func(l *crl.List) { l.Number = nil },
		"number zero":          func(l *crl.List) { l.Number = new(big.Int) },
		"negative number":      func(l *crl.List) { l.Number = big.NewInt(-1) },
		"number of 21 bytes":   func(l *crl.List) { l.Number = new(big.Int).Lsh(big.NewInt(1), 159) },
		"next before this":     func(l *crl.List) { l.NextUpdate = l.ThisUpdate },
		"no next":              func(l *crl.List) { l.NextUpdate = time.Time{} },
		"year 10000":           func(l *crl.List) { l.NextUpdate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"base is itself":       func(l *crl.List) { l.Base = l.Number },
		"base is later":        func(l *crl.List) { l.Base = big.NewInt(8) },
		"delta of a delta":     func(l *crl.List) { l.Base, l.Freshest = big.NewInt(1), []string{"http://a/b"} },
		"empty scope":          func(l *crl.List) { l.Scope = &crl.Scope{} },
		"scope of nobody":      func(l *crl.List) { l.Scope = &crl.Scope{OnlyUsers: true, OnlyAuthorities: true} },
		"URL with a space":     func(l *crl.List) { l.Scope = &crl.Scope{URLs: []string{"http://a/ b"}} },
		"URL beyond ASCII":     func(l *crl.List) { l.Freshest = []string{"http://ä/b"} },
		"URL that is relative": func(l *crl.List) { l.Freshest = []string{"/b"} },
	} {
		require.Error(t, crl.Encode(&bytes.Buffer{}, a.list(change), some(), a.signer), name)
	}
	require.Error(t, crl.Encode(&bytes.Buffer{}, a.list(), some(), nil))
}

func TestEncode_RefusesEntriesThatTheStandardDoesNotAllow(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	for name, entry := range map[string]crl.Entry{
		"no serial":          {RevokedAt: now},
		"serial zero":        {Serial: []byte{0, 0}, RevokedAt: now},
		"serial of 21 bytes": {Serial: bytes.Repeat([]byte{1}, 21), RevokedAt: now},
		"reason 7":           {Serial: []byte{1}, RevokedAt: now, Reason: 7},
		"reason 11":          {Serial: []byte{1}, RevokedAt: now, Reason: 11},
		"negative reason":    {Serial: []byte{1}, RevokedAt: now, Reason: -1},
		"year 10000":         {Serial: []byte{1}, RevokedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"invalid in 10000":   {Serial: []byte{1}, RevokedAt: now, InvalidAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		require.Error(t, crl.Encode(&bytes.Buffer{}, a.list(), some(entry), a.signer), name)
		before := []byte("before")
		after, err := entry.Append(before)
		require.Error(t, err, name)
		assert.Equal(t, before, after, "nothing half encoded is left")
	}
}

func TestEncode_FailsWhenTheEntriesDo(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	broken := errors.New("the database is away")
	for failing := range 3 { // in each of the passes
		pass := -1
		entries := func(yield func(crl.Entry, error) bool) {
			if pass++; !yield(crl.Entry{Serial: []byte{1}, RevokedAt: now}, nil) || pass != failing {
				return
			}
			yield(crl.Entry{}, broken)
		}
		require.ErrorIs(t, crl.Encode(&bytes.Buffer{}, a.list(), entries, a.signer), broken)
	}
}

// TestEncode_RefusesEntriesThatChangeMeanwhile has a pass differ from the one before: longer, shorter, or as long with another content.
func TestEncode_RefusesEntriesThatChangeMeanwhile(t *testing.T) {
	t.Parallel()
	first := []crl.Entry{{Serial: []byte{1}, RevokedAt: now}}
	another := []crl.Entry{{Serial: []byte{2}, RevokedAt: now}}
	for kind, key := range keys(t) {
		a := newAuthority(t, key)
		for name, passes := range map[string][3][]crl.Entry{
			"longer when signed":    {first, append(another, first...)},
			"shorter when signed":   {first, nil},
			"longer when written":   {first, first, append(another, first...)},
			"shorter when written":  {first, first, nil},
			"different when signed": {first, another, first},
			"different at the end":  {first, first, another},
		} {
			pass := -1
			entries := func(yield func(crl.Entry, error) bool) {
				pass++
				some(passes[pass]...)(yield)
			}
			require.Error(t, crl.Encode(&bytes.Buffer{}, a.list(), entries, a.signer), "%s: %s", kind, name)
		}
	}
}

// TestWriter_MakesTheSameListFromKeptEntries is how publication uses it.
func TestWriter_MakesTheSameListFromKeptEntries(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	var kept []byte
	for entry, err := range many(1000) {
		require.NoError(t, err)
		kept, err = entry.Append(kept)
		require.NoError(t, err)
	}
	w, err := crl.Start(a.list(), int64(len(kept)), a.signer)
	require.NoError(t, err)
	for piece := kept; len(piece) > 0; {
		n := min(len(piece), 777)
		_, err := w.Write(piece[:n])
		require.NoError(t, err)
		piece = piece[n:]
	}
	frame, err := w.Finish()
	require.NoError(t, err)
	parsed, err := x509.ParseRevocationList(bytes.Join([][]byte{frame.Head, kept, frame.Tail}, nil))
	require.NoError(t, err)
	require.NoError(t, parsed.CheckSignatureFrom(a.certificate))
	require.Len(t, parsed.RevokedCertificateEntries, 1000)
	assert.NotEmpty(t, frame.Digest)
}

func TestStart_RefusesWhatEd25519WouldHoldInMemory(t *testing.T) {
	t.Parallel()
	for name, key := range keys(t) {
		a := newAuthority(t, key)
		_, err := crl.Start(a.list(), 16<<20+1, a.signer)
		if name == "Ed25519" {
			require.ErrorIs(t, err, crl.ErrTooLong)
		} else {
			require.NoError(t, err)
		}
		_, err = crl.Start(a.list(), 1<<31+1, a.signer)
		require.Error(t, err)
		_, err = crl.Start(a.list(), -1, a.signer)
		require.Error(t, err)
	}
}
