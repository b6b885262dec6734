package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

// der encodes a value with a tag in front.
func der(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func oid(t testing.TB, numbers ...int) []byte {
	t.Helper()
	out, err := asn1.Marshal(asn1.ObjectIdentifier(numbers))
	require.NoError(t, err)
	return out
}

func integer(content ...byte) []byte { return der(2, content) }

// parts are those of a request, for tests that put wrong ones in.
type parts struct {
	algorithm, name, key, serial []byte
	single                       []byte // extensions of the question
	version, requestor           []byte
	extensions, signature, after []byte
	times                        int
}

func genuine(t testing.TB) parts {
	t.Helper()
	name, key := sha256.Sum256([]byte("name")), sha256.Sum256([]byte("key"))
	return parts{
		algorithm: der(0x30, oid(t, 2, 16, 840, 1, 101, 3, 4, 2, 1)), name: der(4, name[:]), key: der(4, key[:]), serial: integer(1, 2, 3), times: 1,
	}
}

func (p parts) der() []byte {
	single := der(0x30, der(0x30, p.algorithm, p.name, p.key, p.serial), p.single)
	return append(der(0x30, der(0x30, p.version, p.requestor, der(0x30, bytes.Repeat(single, p.times)), p.extensions), p.signature), p.after...)
}

func nonce(t testing.TB, value []byte) []byte {
	t.Helper()
	return extensions(0xa2, der(0x30, oid(t, 1, 3, 6, 1, 5, 5, 7, 48, 1, 2), der(4, value)))
}

func extensions(tag byte, each ...[]byte) []byte { return der(tag, der(0x30, each...)) }

func TestParseRequest_ReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	p := newPKI(t, newECDSA(t, elliptic.P256()), "")
	written, err := witness.CreateRequest(p.leaf.certificate, p.ca.certificate, &witness.RequestOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	request, err := ocsp.ParseRequest(written)
	require.NoError(t, err)
	require.Len(t, request.IDs, 1)
	assert.Nil(t, request.Nonce)
	id := request.IDs[0]
	assert.Equal(t, crypto.SHA256, id.Hash)
	serial, ok := id.Number()
	require.True(t, ok)
	assert.Equal(t, p.leaf.certificate.SerialNumber, new(big.Int).SetBytes(serial))

	names, err := ocsp.IssuerNames(p.ca.certificate)
	require.NoError(t, err)
	name, ok := id.Issuer()
	require.True(t, ok)
	assert.Contains(t, names, name)

	oldName, oldKey, err := identifier.OCSPIssuer(p.ca.certificate)
	require.NoError(t, err)
	old := genuine(t)
	old.algorithm, old.name, old.key = der(0x30, oid(t, 1, 3, 14, 3, 2, 26), der(5)), der(4, oldName[:]), der(4, oldKey[:])
	request, err = ocsp.ParseRequest(old.der())
	require.NoError(t, err)
	name, ok = request.IDs[0].Issuer()
	require.True(t, ok)
	assert.Contains(t, names, name)
}

func TestParseRequest_TakesWhatTheStandardAllows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*parts){
		"nothing special":         func(*parts) {},
		"version in full":         func(p *parts) { p.version = der(0xa0, integer(0)) },
		"requestor":               func(p *parts) { p.requestor = der(0xa1, der(0x82, []byte("me"))) },
		"32 certificates":         func(p *parts) { p.times = ocsp.MaxSingles },
		"nonce of one byte":       func(p *parts) { p.extensions = nonce(t, der(4, []byte{1})) },
		"nonce of 128 bytes":      func(p *parts) { p.extensions = nonce(t, der(4, make([]byte, 128))) },
		"another extension":       func(p *parts) { p.extensions = extensions(0xa2, der(0x30, oid(t, 1, 2, 3), der(4))) },
		"extension of a question": func(p *parts) { p.single = extensions(0xa0, der(0x30, oid(t, 1, 2, 3), der(4))) },
		"accepts basic": func(p *parts) {
			p.extensions = extensions(0xa2, der(0x30, oid(t, 1, 3, 6, 1, 5, 5, 7, 48, 1, 4), der(4, der(0x30, oid(t, 1, 3, 6, 1, 5, 5, 7, 48, 1, 1)))))
		},
		"signature": func(p *parts) {
			p.signature = der(0xa0, der(0x30, der(0x30, oid(t, 1, 2, 840, 10045, 4, 3, 2)), der(3, []byte{0, 1}), der(0xa0, der(0x30))))
		},
		"hash that is not known": func(p *parts) { p.algorithm, p.name = der(0x30, oid(t, 1, 2, 3), integer(1)), der(4, []byte{1}) },
		"serial number zero":     func(p *parts) { p.serial = integer(0) },
		"negative serial number": func(p *parts) { p.serial = integer(0x80) },
		"serial of 33 bytes":     func(p *parts) { p.serial = integer(append([]byte{0}, bytes.Repeat([]byte{0xff}, 32)...)...) },
	} {
		p := genuine(t)
		change(&p)
		request, err := ocsp.ParseRequest(p.der())
		require.NoError(t, err, name)
		assert.Len(t, request.IDs, p.times, name)
		assert.Equal(t, der(0x30, p.algorithm, p.name, p.key, p.serial), request.IDs[0].Raw, name)
		_, positive := request.IDs[0].Number()
		assert.Equal(t, name != "serial number zero" && name != "negative serial number", positive, name)
	}
}

func TestParseRequest_RefusesWhatTheStandardForbids(t *testing.T) {
	t.Parallel()
	unknown := oid(t, 1, 2, 3)
	critical := der(0x30, unknown, der(1, []byte{0xff}), der(4))
	for name, change := range map[string]func(*parts){
		"something after it":           func(p *parts) { p.after = []byte{0} },
		"version 2":                    func(p *parts) { p.version = der(0xa0, integer(1)) },
		"no certificates":              func(p *parts) { p.times = 0 },
		"33 certificates":              func(p *parts) { p.times = ocsp.MaxSingles + 1 },
		"more than 16 KiB":             func(p *parts) { p.requestor = der(0xa1, make([]byte, ocsp.MaxRequest)) },
		"empty nonce":                  func(p *parts) { p.extensions = nonce(t, der(4)) },
		"nonce of 129 bytes":           func(p *parts) { p.extensions = nonce(t, der(4, make([]byte, 129))) },
		"nonce without octet string":   func(p *parts) { p.extensions = nonce(t, make([]byte, 16)) },
		"nonce with something after":   func(p *parts) { p.extensions = nonce(t, append(der(4, []byte{1}), 0)) },
		"two nonces":                   func(p *parts) { n := nonce(t, der(4, []byte{1}))[4:]; p.extensions = extensions(0xa2, n, n) },
		"no extensions":                func(p *parts) { p.extensions = extensions(0xa2) },
		"critical extension":           func(p *parts) { p.extensions = extensions(0xa2, critical) },
		"critical in a question":       func(p *parts) { p.single = extensions(0xa0, critical) },
		"critical false in full":       func(p *parts) { p.extensions = extensions(0xa2, der(0x30, unknown, der(1, []byte{0}), der(4))) },
		"critical that is neither":     func(p *parts) { p.extensions = extensions(0xa2, der(0x30, unknown, der(1, []byte{1}), der(4))) },
		"extensions that are none":     func(p *parts) { p.extensions = der(0xa2, integer(1)) },
		"something after extensions":   func(p *parts) { p.extensions = append(nonce(t, der(4, []byte{1})), integer(1)...) },
		"something after the question": func(p *parts) { p.single = integer(1) },
		"accepts nothing": func(p *parts) {
			p.extensions = extensions(0xa2, der(0x30, oid(t, 1, 3, 6, 1, 5, 5, 7, 48, 1, 4), der(4, der(0x30))))
		},
		"accepts something else": func(p *parts) {
			p.extensions = extensions(0xa2, der(0x30, oid(t, 1, 3, 6, 1, 5, 5, 7, 48, 1, 4), der(4, der(0x30, unknown))))
		},
		"signature that is none":       func(p *parts) { p.signature = der(0xa0, integer(1)) },
		"something after signature":    func(p *parts) { p.signature = integer(1) },
		"serial that is not minimal":   func(p *parts) { p.serial = integer(0, 1) },
		"negative and not minimal":     func(p *parts) { p.serial = integer(0xff, 0x80) },
		"empty serial":                 func(p *parts) { p.serial = integer() },
		"serial of 34 bytes":           func(p *parts) { p.serial = integer(bytes.Repeat([]byte{1}, 34)...) },
		"name that is too short":       func(p *parts) { p.name = der(4, make([]byte, 31)) },
		"key that is too long":         func(p *parts) { p.key = der(4, make([]byte, 33)) },
		"hash with parameters":         func(p *parts) { p.algorithm = der(0x30, oid(t, 2, 16, 840, 1, 101, 3, 4, 2, 1), integer(1)) },
		"hash with two parameters":     func(p *parts) { p.algorithm = der(0x30, oid(t, 2, 16, 840, 1, 101, 3, 4, 2, 1), der(5), der(5)) },
		"hash that is no identifier":   func(p *parts) { p.algorithm = der(0x30, integer(1)) },
		"serial that is no integer":    func(p *parts) { p.serial = der(4, []byte{1}) },
		"something after the CertID's": func(p *parts) { p.serial = append(integer(1), integer(1)...) },
	} {
		p := genuine(t)
		change(&p)
		_, err := ocsp.ParseRequest(p.der())
		require.Error(t, err, name)
	}
	for _, garbage := range [][]byte{nil, {0}, {0x30}, {0x30, 0x80, 0, 0}, {0x30, 0}, {0x30, 2, 0x30, 0}} {
		_, err := ocsp.ParseRequest(garbage)
		require.Error(t, err)
	}
	whole := genuine(t).der()
	for i := range whole {
		_, err := ocsp.ParseRequest(whole[:i])
		require.Error(t, err, "cut off at %d", i)
	}
}

// FuzzParseRequest wants of every request that is taken that its parts are those of the input, within the bounds, and that it can be answered.
func FuzzParseRequest(f *testing.F) {
	p := newPKI(f, newECDSA(f, elliptic.P256()), "")
	r := p.responder(f, p.delegate)
	for _, change := range []func(*parts){
		func(*parts) {}, func(g *parts) { g.times = 3 }, func(g *parts) { g.extensions = nonce(f, der(4, make([]byte, 32))) },
		func(g *parts) { g.version, g.requestor = der(0xa0, integer(0)), der(0xa1, der(0x82, []byte("me"))) },
		func(g *parts) { g.algorithm = der(0x30, oid(f, 1, 2, 3)) },
		func(g *parts) {
			g.signature = der(0xa0, der(0x30, der(0x30, oid(f, 1, 2, 840, 10045, 4, 3, 2)), der(3, []byte{0, 1})))
		},
	} {
		g := genuine(f)
		change(&g)
		f.Add(g.der())
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		request, err := ocsp.ParseRequest(input)
		if err != nil {
			return
		}
		require.NotEmpty(t, request.IDs)
		require.LessOrEqual(t, len(request.IDs), ocsp.MaxSingles)
		require.LessOrEqual(t, len(request.Nonce), 128)
		for _, id := range request.IDs {
			require.True(t, bytes.Contains(input, id.Raw))
			_, known := id.Issuer()
			require.Equal(t, id.Hash != 0, known)
			if number, ok := id.Number(); ok {
				require.Positive(t, new(big.Int).SetBytes(number).Sign())
			}
		}
		response := answer(t, r, request, ocsp.Single{Status: ocsp.Unknown})
		_, err = witness.ParseResponse(response, p.ca.certificate)
		if len(request.IDs) == 1 && request.IDs[0].Hash != 0 { // the witness reads neither several nor other hashes
			require.NoError(t, err)
		}
	})
}

// FuzzDecodePath wants that nothing in a path does harm.
func FuzzDecodePath(f *testing.F) {
	for _, path := range []string{"MAA=", "MA%3D%3D", "ME-_", "%zz", "a/b+c"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if request, err := ocsp.DecodePath(path); err == nil {
			require.LessOrEqual(t, len(request), len(path))
		}
	})
}
