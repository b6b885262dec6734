package keyimport_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

func marshalPKIX(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return der
}

func TestParsePublic_EveryAlgorithmInEveryForm(t *testing.T) {
	t.Parallel()
	keys := map[string]*jwk.Key{}
	for _, spec := range alg.Specs() {
		if spec.KeyType == alg.KeyTypeRSA && spec.KeySize > 2048 {
			continue
		}
		kind := keygen.Kind(spec)
		if keys[kind] == nil {
			keys[kind] = generate(t, spec)
		}
		key := keys[kind]
		key.Attributes = keygen.Attributes(spec)
		if key.IsSymmetric() {
			_, err := keyimport.ParsePublic(spec, key.Secret())
			assertCode(t, err, "import_mismatch", spec.Algorithm)
			continue
		}
		for form, write := range map[string]func() ([]byte, error){"JWK": key.MarshalPublic, "PEM": key.MarshalPEM, "DER": key.MarshalPKIX} {
			if spec.KeyType == alg.KeyTypeRSA && spec.Algorithm != "RS256" && form != "JWK" {
				continue // the same key in the same form
			}
			text, err := write()
			require.NoError(t, err)
			got, err := keyimport.ParsePublic(spec, text)
			require.NoError(t, err, "%s as %s", spec.Algorithm, form)
			assert.False(t, got.IsPrivate())
			assert.Equal(t, key.ThumbprintSHA256(), got.ThumbprintSHA256())
			assert.Equal(t, key.Attributes, got.Attributes)
		}
	}
}

func TestParsePublic_Refuses(t *testing.T) {
	t.Parallel()
	ec := newEC(t, elliptic.P256())
	key, err := jwk.FromMaterial(ec, jwk.Attributes{})
	require.NoError(t, err)
	private, err := key.MarshalPrivate()
	require.NoError(t, err)
	der := marshalPKIX(t, &ec.PublicKey)
	ed := newEd25519(t)
	p224 := marshalPKIX(t, &newEC(t, elliptic.P224()).PublicKey)
	block := func(label string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
	}
	named, err := jwk.FromMaterial(&ec.PublicKey, jwk.Attributes{Algorithm: "ECDH-ES"})
	require.NoError(t, err)
	otherPurpose, err := named.MarshalPublic()
	require.NoError(t, err)
	for reason, c := range map[string]struct {
		text []byte
		code string
	}{
		"nothing":               {nil, "import_malformed"},
		"text":                  {[]byte("hello"), "import_malformed"},
		"DER cut":               {der[:len(der)-1], "import_malformed"},
		"DER with a byte more":  {append(append([]byte{}, der...), 0), "import_malformed"},
		"a private key's PEM":   {block("PRIVATE KEY", mustPKCS8(t, ec)), "import_malformed"},
		"a private key's DER":   {mustPKCS8(t, ec), "import_malformed"},
		"a certificate's label": {block("CERTIFICATE", der), "import_malformed"},
		"two PEM blocks":        {append(block("PUBLIC KEY", der), block("PUBLIC KEY", der)...), "import_malformed"},
		"a JWK cut":             {[]byte(`{"kty":"EC"`), "import_malformed"},
		"too long":              {make([]byte, keyimport.MaxWrapped+1), "import_malformed"},
		"P-224":                 {p224, "import_malformed"},
		"a private JWK":         {private, "import_mismatch"},
		"a symmetric JWK":       {[]byte(`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umjw"}`), "import_mismatch"},
		"another curve":         {marshalPKIX(t, &newEC(t, elliptic.P384()).PublicKey), "import_mismatch"},
		"another type":          {marshalPKIX(t, ed.Public()), "import_mismatch"},
		"another purpose":       {otherPurpose, "import_mismatch"},
		"ML-KEM-512":            {[]byte(`{"kty":"AKP","alg":"ML-KEM-512","pub":"AAAA"}`), "import_mismatch"},
	} {
		_, err := keyimport.ParsePublic(parseSpec(t, "ES256", 0, ""), c.text)
		require.Error(t, err, reason)
		assertCode(t, err, c.code, reason)
	}
}
