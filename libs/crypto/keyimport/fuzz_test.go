package keyimport_test

import (
	"crypto/elliptic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

func fuzzSpecs(t testing.TB) (specs []alg.Spec) {
	t.Helper()
	for _, algorithm := range []string{"RS256", "ES256", "ES384", "Ed25519", "HS256", "ML-KEM-768", "ML-KEM-1024"} {
		spec := parseSpec(t, algorithm, 0, "")
		if spec.KeyType == alg.KeyTypeRSA {
			spec.KeySize = 2048
		}
		specs = append(specs, spec)
	}
	return specs
}

func requireImportCode(t *testing.T, err error) {
	t.Helper()
	var coded interface {
		ErrorCode() string
		ErrorDetail() string
	}
	require.ErrorAs(t, err, &coded)
	require.Contains(t, []string{"import_wrong_key", "import_malformed", "import_mismatch", "import_weak"}, coded.ErrorCode())
	require.NotEmpty(t, coded.ErrorDetail())
}

// FuzzMaterial: no panic, one of the codes, and what was taken survives being written and read again.
func FuzzMaterial(f *testing.F) {
	specs := fuzzSpecs(f)
	for _, spec := range specs {
		for _, material := range forms(f, generate(f, spec)) {
			f.Add(material)
		}
	}
	f.Add(mustPKCS8(f, newEC(f, elliptic.P521())))
	f.Fuzz(func(t *testing.T, material []byte) {
		for _, spec := range specs {
			key, err := keyimport.ParseMaterial(spec, material)
			if err != nil {
				requireImportCode(t, err)
				continue
			}
			written, err := key.MarshalPrivate()
			require.NoError(t, err)
			again, err := keyimport.ParseMaterial(spec, written)
			require.NoError(t, err)
			require.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	specs := fuzzSpecs(f)
	for _, spec := range specs {
		key := generate(f, spec)
		if key.IsSymmetric() {
			continue
		}
		for _, write := range []func() ([]byte, error){key.MarshalPublic, key.MarshalPEM, key.MarshalPKIX, key.MarshalPrivate} {
			text, err := write()
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, spec := range specs {
			key, err := keyimport.ParsePublic(spec, text)
			if err != nil {
				requireImportCode(t, err)
				continue
			}
			require.False(t, key.IsPrivate())
			written, err := key.MarshalPublic()
			require.NoError(t, err)
			again, err := keyimport.ParsePublic(spec, written)
			require.NoError(t, err)
			require.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
		}
	})
}

// FuzzImport feeds wrapped material: no panic, one of the codes, and nothing opens but what was wrapped here.
func FuzzImport(f *testing.F) {
	spec := parseSpec(f, "A256GCM/A256KW", 0, "")
	genuine := map[string]bool{}
	for _, method := range []string{keyimport.MethodRSA, keyimport.MethodECDH} {
		material := random(f, 32)
		genuine[string(material)] = true
		wrapped := wrap(f, method, wrappingKeys()[method], material)
		f.Add(wrapped)
		f.Add(wrapped[:len(wrapped)-8])
		f.Add(wrapped[8:])
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		for _, method := range []string{keyimport.MethodRSA, keyimport.MethodECDH} {
			key, err := keyimport.Import(spec, method, wrappingKeys()[method], wrapped)
			if err != nil {
				var coded interface{ ErrorCode() string }
				require.ErrorAs(t, err, &coded)
				continue
			}
			require.True(t, genuine[string(key.Secret())], "a forgery was accepted")
		}
	})
}

// The smallest inputs that once took a path of their own.
func TestImport_OddBeginnings(t *testing.T) {
	t.Parallel()
	for _, spec := range fuzzSpecs(t) {
		for _, material := range []string{"", "{", "{}", "-----BEGIN ", "\x30", "\x30\x00", "\x30\x80\x00\x00", "\x30\x84\xff\xff\xff\xff", "\x02\x01\x00"} {
			_, err := keyimport.ParseMaterial(spec, []byte(material))
			requireImportCode(t, err)
			_, err = keyimport.ParsePublic(spec, []byte(material))
			requireImportCode(t, err)
		}
	}
}
