package interoptest_test

import (
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

const tableSignatures = "Signatures and MACs"

// signatures goes through every algorithm with every size, and each input in each format that it has.
func (o *others) signatures(t *testing.T) {
	var rows []string
	for _, spec := range alg.Specs() {
		if spec.Use != alg.UseSign && spec.Use != alg.UseMAC {
			continue
		}
		row := signatureRow(spec)
		rows = append(rows, row)
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			k := o.bring(t, spec)
			o.exchangeJWS(t, k, row)
			inputs, formats := kmstest.Shapes(spec.Signature)
			for _, input := range inputs {
				for _, format := range formats {
					o.exchangeBare(t, k, row, input, format)
				}
			}
			if spec.Use == alg.UseMAC {
				o.exchangeMAC(t, k, row)
			}
		})
	}
	o.expect(tableSignatures, "algorithm", rows, []string{
		"JWS", "message raw", "digest raw", "message p1363", "digest p1363", "message der", "digest der", "MAC",
	})
	assert.Len(t, rows, 6*3+3+1+3)
}

// signatureRow is what an algorithm's row is called: those on curves have one curve each.
func signatureRow(spec alg.Spec) string {
	if spec.KeyType == alg.KeyTypeRSA {
		return rowOf(spec.Signature, spec)
	}
	return spec.Signature
}

// oldName is what go-jose calls an algorithm.
func oldName(algorithm string) string {
	if algorithm == "Ed25519" {
		return "EdDSA"
	}
	return algorithm
}

func (o *others) exchangeJWS(t *testing.T, k brought, row string) {
	fromUs := o.do(t, k, "sign", map[string]any{"payload": kmstest.Encode([]byte("from us"))}).Member(t, "signature")
	about := map[string]any{"algorithm": oldName(k.Signature)}
	theirs := string(o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "sign", "text": "from them"})))
	verifies := func(message string) {
		t.Helper()
		verdict := o.do(t, k, "verify", map[string]any{"signature": message}).Object(t)
		assert.Equal(t, map[string]any{"valid": true, "version": 1.0, "payload": kmstest.Encode([]byte("from them"))}, verdict)
	}
	verifies(theirs)
	if k.Signature == "Ed25519" { // go-jose writes the old name, which is understood, and does not read the new one (RFC 9864)
		assert.Equal(t, "EdDSA", kmstest.Protected(t, theirs)["alg"])
	} else {
		read := o.ask(t, kmstest.Merge(about, k.held(true), map[string]any{"operation": "verify", "text": fromUs}))
		assert.Equal(t, "from us", string(read))
		o.note(tableSignatures, row, "JWS", byJOSE)
	}

	parts := strings.Split(fromUs, ".")
	require.NoError(t, o.check(t, k, false, []byte(parts[0]+"."+parts[1]), kmstest.Decoded(t, parts[2]), "p1363"))
	header, err := json.Marshal(map[string]any{"alg": k.Signature, "kid": k.kid})
	require.NoError(t, err)
	input := kmstest.Encode(header) + "." + kmstest.Encode([]byte("from them"))
	verifies(input + "." + kmstest.Encode(o.make(t, k, false, []byte(input), "p1363")))
	o.note(tableSignatures, row, "JWS", byOpenSSL)
}

// make has openssl sign, and check has it verify; format is that of ECDSA, of which openssl has DER alone.
func (o *others) make(t testing.TB, k brought, digest bool, data []byte, format string) []byte {
	t.Helper()
	if k.secret != nil {
		return hmacOf(t, o.OpenSSL, "SHA"+k.Signature[2:], k.secret, data)
	}
	signature := sign(t, o.OpenSSL, k.pkcs8, k.Signature, digest, data)
	if k.KeyType != alg.KeyTypeEC || format != "p1363" {
		return signature
	}
	var pair []*big.Int
	_, err := asn1.Unmarshal(signature, &pair)
	require.NoError(t, err)
	fixed := make([]byte, 2*((curveOf(k.Curve).Params().BitSize+7)/8))
	pair[0].FillBytes(fixed[:len(fixed)/2])
	pair[1].FillBytes(fixed[len(fixed)/2:])
	return fixed
}

func (o *others) check(t testing.TB, k brought, digest bool, data, signature []byte, format string) error {
	t.Helper()
	if k.secret != nil {
		assert.Equal(t, o.make(t, k, digest, data, format), signature)
		return nil
	}
	if k.KeyType == alg.KeyTypeEC && format == "p1363" {
		half := len(signature) / 2
		var err error
		signature, err = asn1.Marshal([]*big.Int{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])})
		require.NoError(t, err)
	}
	return verify(t, o.OpenSSL, k.spki, k.Signature, digest, data, signature)
}

func (o *others) exchangeBare(t *testing.T, k brought, row, input, format string) {
	data, digest := []byte("a message"), input == "digest"
	if digest {
		data = kmstest.DigestOf(k.Signature, data)
	}
	ask := map[string]any{"payload": kmstest.Encode(data), "input": input, "format": format}
	ours := kmstest.Decoded(t, o.do(t, k, "sign", ask).Member(t, "signature"))
	require.NoError(t, o.check(t, k, digest, data, ours, format), "%s %s", input, format)
	theirs := kmstest.Merge(ask, map[string]any{"signature": kmstest.Encode(o.make(t, k, digest, data, format))})
	assert.Equal(t, true, o.do(t, k, "verify", theirs).Object(t)["valid"], "%s %s", input, format)
	other := slices.Clone(data)
	other[0] ^= 1
	if k.secret == nil {
		require.Error(t, o.check(t, k, digest, other, ours, format), "of other data")
	}
	o.note(tableSignatures, row, input+" "+format, byOpenSSL)
}

func (o *others) exchangeMAC(t *testing.T, k brought, row string) {
	data := []byte("a message")
	theirs := kmstest.Encode(hmacOf(t, o.OpenSSL, "SHA"+k.Signature[2:], k.secret, data))
	assert.Equal(t, theirs, o.do(t, k, "mac", map[string]any{"payload": kmstest.Encode(data)}).Member(t, "mac"))
	assert.Equal(t, true, o.do(t, k, "verify-mac", map[string]any{"payload": kmstest.Encode(data), "mac": theirs}).Object(t)["valid"])
	o.note(tableSignatures, row, "MAC", byOpenSSL)
}
