package interoptest_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

const (
	tableDerivation = "Derivation and key encapsulation"
	tableKeys       = "Keys that come and go"
)

// keys are what gives secrets, and what carries keys.
func (o *others) keys(t *testing.T) {
	var rows []string
	for _, spec := range alg.Specs() {
		exchange := o.exchangeKDF
		switch {
		case spec.Use == alg.UseKEM:
			exchange = o.exchangeKEM
		case spec.Use != alg.UseDerive:
			continue
		case spec.Derivation == "ECDH":
			exchange = o.exchangeECDH
		}
		row := rowOf(spec.Algorithm, spec)
		rows = append(rows, row)
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			exchange(t, spec, row)
		})
	}
	o.expect(tableDerivation, "algorithm", rows, []string{"both sides have the same"})
	assert.Len(t, rows, 3+3+2)

	ways := []struct {
		name string
		test func(t *testing.T, row string)
	}{
		{"wrap and unwrap of octets and JWKs", o.exchangeWrapped},
		{"generate-data-key: octets and pairs", o.exchangeDataKeys},
		{"generate: a JWK under the key", o.exchangeGenerated},
		{"import, RSA-OAEP-256+A256KWP: EC, RSA, Ed25519, AES", o.importsOfOpenSSL},
		{"import, ECDH-ES+A256KW, of every kind of key", o.importsOfPeer},
		{"export to RSA-OAEP-256", o.exportsToOpenSSL},
		{"export to ECDH-ES+A256KW", o.exportsToPeer},
		{"public-key in PEM and in a JWK", o.publicKeys},
	}
	rows = nil
	for _, way := range ways {
		rows = append(rows, way.name)
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			way.test(t, way.name)
		})
	}
	o.expect(tableKeys, "what", rows, []string{"read and written"})
}

const onlyColumn, carried = "both sides have the same", "read and written"

func (o *others) exchangeKDF(t *testing.T, spec alg.Spec, row string) {
	k := o.bring(t, spec)
	hash := "SHA" + spec.Algorithm[len("HKDF-SHA"):]
	for _, length := range []int{16, 32, 64, 100} {
		salt, info := []byte("salt of sixteen b"), []byte("what it is for")
		secret := o.do(t, k, "derive", map[string]any{"length": length, "salt": kmstest.Encode(salt), "info": kmstest.Encode(info)}).Member(t, "secret")
		assert.Equal(t, kmstest.Encode(kdf(t, o.OpenSSL, "HKDF", hash, length, k.secret, salt, info)), secret)
		secret = o.do(t, k, "derive", map[string]any{"length": length, "info": kmstest.Encode(info)}).Member(t, "secret")
		assert.Equal(t, kmstest.Encode(kdf(t, o.OpenSSL, "HKDF", hash, length, k.secret, nil, info)), secret, "without a salt")
	}
	o.note(tableDerivation, row, onlyColumn, byOpenSSL)
}

func (o *others) exchangeECDH(t *testing.T, spec alg.Spec, row string) {
	k := o.bring(t, spec)
	other, public := o.Generate(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+spec.Curve)
	shared := sharedSecret(t, o.OpenSSL, other, k.spki)
	ask := map[string]any{"peer": jwkOf(t, public)}
	assert.Equal(t, kmstest.Encode(shared), o.do(t, k, "derive", ask).Member(t, "secret"))
	for _, hash := range []string{"256", "384", "512"} {
		salt, info := []byte("salt of sixteen b"), []byte("what it is for")
		derived := o.do(t, k, "derive", kmstest.Merge(ask, map[string]any{
			"kdf": "hkdf-sha" + hash, "length": 48, "salt": kmstest.Encode(salt), "info": kmstest.Encode(info),
		})).Member(t, "secret")
		assert.Equal(t, kmstest.Encode(kdf(t, o.OpenSSL, "HKDF", "SHA"+hash, 48, shared, salt, info)), derived)
	}
	o.note(tableDerivation, row, onlyColumn, byOpenSSL)
}

// The seed is a third party's, and so the service's key is as well.
func (o *others) exchangeKEM(t *testing.T, spec alg.Spec, row string) {
	seed := o.Run(t, "rand", "64")
	public := o.ask(t, map[string]any{"operation": "encapsulation-key", "algorithm": spec.KEM, "octets": seed})
	material, err := json.Marshal(map[string]any{"kty": "AKP", "alg": spec.KEM, "pub": kmstest.Encode(public), "priv": kmstest.Encode(seed)})
	require.NoError(t, err)
	k := brought{Spec: spec, id: o.importMaterial(t, spec, material)}
	shown := o.s.Get(t, o.token, k.pathTo("public-key")).Object(t)["jwk"].(map[string]any)
	assert.Equal(t, kmstest.Encode(public), shown["pub"])

	ours := o.do(t, k, "encapsulate", map[string]any{})
	theirs := o.ask(t, map[string]any{
		"operation": "decapsulate", "algorithm": spec.KEM, "octets": seed, "bytes": kmstest.Decoded(t, ours.Member(t, "ciphertext")),
	})
	assert.Equal(t, ours.Member(t, "shared_key"), kmstest.Encode(theirs))
	shared, ciphertext, _ := strings.Cut(string(o.ask(t, map[string]any{"operation": "encapsulate", "algorithm": spec.KEM, "octets": public})), ".")
	assert.Equal(t, shared, o.do(t, k, "decapsulate", map[string]any{"ciphertext": ciphertext}).Member(t, "shared_key"))
	o.note(tableDerivation, row, onlyColumn, byLibrary)
}

// wrapper is a key that wraps, which the peer has as well.
func (o *others) wrapper(t *testing.T, algorithm string) (k brought, about map[string]any) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	spec.Algorithm = algorithm
	k = brought{Spec: spec, secret: o.Run(t, "rand", fmt.Sprint(spec.KeySize/8))}
	name := strings.ToLower(strings.NewReplacer("/", "-", " ", "-", "_", "-", ":", "", ",", "", "+", "-").Replace(t.Name()[strings.LastIndex(t.Name(), "/")+1:]))
	k.id = o.s.Importable(t, o.token, name, algorithm)
	job := o.s.ImportJob(t, o.token, k.id, kmstest.MethodECDH)
	o.s.Post(t, o.token, k.pathTo("import"), kmstest.Offer(t, job, k.secret))
	k.kid = k.id + ".1"
	return k, map[string]any{"algorithm": spec.KeyManagement, "encryption": spec.ContentEncryption}
}

func (o *others) exchangeWrapped(t *testing.T, row string) {
	k, about := o.wrapper(t, "A256CBC-HS512/A256KW")
	key := o.Run(t, "rand", "32")
	wrapped := o.do(t, k, "wrap", map[string]any{"key": kmstest.Encode(key)}).Member(t, "wrapped")
	assert.Equal(t, key, o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": wrapped})))
	assert.Equal(t, key, o.open(t, k, wrapped))
	theirs := o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "encrypt", "bytes": key, "cty": "octet-stream"}))
	assert.Equal(t, kmstest.Encode(key), o.do(t, k, "unwrap", map[string]any{"wrapped": string(theirs)}).Member(t, "key"))

	own := map[string]any{"kty": "oct", "k": kmstest.Encode(key)}
	text, err := json.Marshal(own)
	require.NoError(t, err)
	wrapped = o.do(t, k, "wrap", map[string]any{"jwk": own}).Member(t, "wrapped")
	assert.JSONEq(t, string(text), string(o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": wrapped}))))
	theirs = o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "encrypt", "bytes": text, "cty": "jwk+json"}))
	assert.Equal(t, own, o.do(t, k, "unwrap", map[string]any{"wrapped": string(theirs)}).Object(t)["jwk"])
	o.note(tableKeys, row, carried, byJOSE)
	o.note(tableKeys, row, carried, byOpenSSL)
}

func (o *others) exchangeDataKeys(t *testing.T, row string) {
	k, about := o.wrapper(t, "A256GCM/A256KW")
	for _, bits := range []int{128, 192, 256, 512} {
		made := o.do(t, k, "generate-data-key", map[string]any{"bits": bits, "include_plaintext": true})
		opened := o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": made.Member(t, "wrapped")}))
		assert.Equal(t, made.Member(t, "key"), kmstest.Encode(opened))
		assert.Len(t, opened, bits/8)
	}
	for kind, algorithm := range map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "RSA-2048": "PS256", "Ed25519": "EdDSA"} {
		made := o.do(t, k, "generate-data-key", map[string]any{"key_pair": kind})
		opened := o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": made.Member(t, "wrapped")}))
		o.pairWorks(t, algorithm, opened, made.Raw(t, "public_jwk"))
	}
	o.note(tableKeys, row, carried, byJOSE)
}

// pairWorks has the peer sign with a private JWK and verify with the public one.
func (o *others) pairWorks(t testing.TB, algorithm string, private, public json.RawMessage) {
	t.Helper()
	signed := o.ask(t, map[string]any{"operation": "sign", "algorithm": algorithm, "key": private, "text": "a message"})
	read := o.ask(t, map[string]any{"operation": "verify", "algorithm": algorithm, "key": public, "text": string(signed)})
	assert.Equal(t, "a message", string(read))
}

func (o *others) exchangeGenerated(t *testing.T, row string) {
	k, about := o.wrapper(t, "A256GCM/A256GCMKW")
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "PS256"} {
		ask := map[string]any{"algorithm": algorithm}
		if algorithm == "PS256" {
			ask["key_size"] = 2048
		}
		made := o.do(t, k, "generate", ask)
		opened := o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": made.Member(t, "wrapped")}))
		o.pairWorks(t, algorithm, opened, made.Raw(t, "public_jwk"))
	}
	o.note(tableKeys, row, carried, byJOSE)
}

// carriedSpecs are one spec for each kind of key that openssl can make.
func carriedSpecs(t testing.TB) (specs []alg.Spec) {
	t.Helper()
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "Ed25519", "HS256", "HS512", "A128GCM/A128KW", "A192GCM/A192KW", "A256CBC-HS512/dir"} {
		spec, err := alg.ParseSpec(algorithm, 0, "")
		require.NoError(t, err)
		specs = append(specs, spec)
	}
	for _, size := range alg.RSASizes() {
		spec, err := alg.ParseSpec("PS256", size, "")
		require.NoError(t, err)
		specs = append(specs, spec)
	}
	return specs
}

// material is what a third party brings for a spec: PKCS #8, or the bytes.
func (o *others) material(t testing.TB, spec alg.Spec) (k brought, material []byte) {
	t.Helper()
	k = brought{Spec: spec}
	switch spec.KeyType {
	case alg.KeyTypeOctet:
		k.secret = o.Run(t, "rand", fmt.Sprint(spec.KeySize/8))
		return k, k.secret
	case alg.KeyTypeOKP:
		k.keyPair = o.pairs["Ed25519"]
	default:
		k.keyPair = o.pairs[kindOf(spec)]
	}
	return k, k.pkcs8
}

func (o *others) importsOfOpenSSL(t *testing.T, row string) {
	for i, spec := range carriedSpecs(t) {
		if kind := spec.Algorithm + kindOf(spec); !slices.Contains([]string{"ES512P-521", "Ed25519", "PS2563072", "A128GCM/A128KW"}, kind) {
			continue // each has a wrapping key of its own, an RSA key that takes long to make
		}
		k, material := o.material(t, spec)
		ask := map[string]any{"name": fmt.Sprintf("openssl-%d", i), "algorithm": spec.Algorithm, "origin": "imported"}
		if spec.KeyType == alg.KeyTypeRSA {
			ask["key_size"] = spec.KeySize
		}
		k.id = o.s.Post(t, o.token, "elastic-keys", ask).Member(t, "id")
		job := o.s.ImportJob(t, o.token, k.id, kmstest.MethodRSA)
		var wrapping struct{ PEM string }
		require.NoError(t, json.Unmarshal(job.Raw(t, "public_key"), &wrapping))
		spki := o.Run(t, "pkey", "-pubin", "-in", o.File(t, []byte(wrapping.PEM)), "-outform", "DER")
		transport := o.Run(t, "rand", "32")
		wrapped := slices.Concat(rsaEncrypt(t, o.OpenSSL, spki, "sha256", transport), wrap(t, o.OpenSSL, transport, material, true))
		o.s.Post(t, o.token, k.pathTo("import"), map[string]any{"job": job.Member(t, "token"), "wrapped_material": kmstest.Encode(wrapped)})
		o.isTheSame(t, k)
	}
	o.note(tableKeys, row, carried, byOpenSSL)
}

func (o *others) importsOfPeer(t *testing.T, row string) {
	for i, spec := range carriedSpecs(t) {
		k, material := o.material(t, spec)
		ask := map[string]any{"name": fmt.Sprintf("peer-%d", i), "algorithm": spec.Algorithm, "origin": "imported"}
		if spec.KeyType == alg.KeyTypeRSA {
			ask["key_size"] = spec.KeySize
		}
		k.id = o.s.Post(t, o.token, "elastic-keys", ask).Member(t, "id")
		job := o.s.ImportJob(t, o.token, k.id, kmstest.MethodECDH)
		var wrapping struct{ JWK json.RawMessage }
		require.NoError(t, json.Unmarshal(job.Raw(t, "public_key"), &wrapping))
		encryption := []string{"A256GCM", "A256CBC-HS512"}[i%2]
		wrapped := o.ask(t, map[string]any{
			"operation": "encrypt", "algorithm": "ECDH-ES+A256KW", "encryption": encryption, "key": wrapping.JWK, "bytes": material,
		})
		o.s.Post(t, o.token, k.pathTo("import"), map[string]any{"job": job.Member(t, "token"), "wrapped_material": string(wrapped)})
		o.isTheSame(t, k)
	}
	o.note(tableKeys, row, carried, byJOSE)
}

// isTheSame checks that the service's key is the third party's.
func (o *others) isTheSame(t testing.TB, k brought) {
	t.Helper()
	k.kid = k.id + ".1"
	if k.Use == alg.UseEncrypt {
		message := o.do(t, k, "encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		about := map[string]any{"operation": "decrypt", "algorithm": k.KeyManagement, "encryption": k.ContentEncryption, "text": message}
		assert.Equal(t, "hello", string(o.ask(t, kmstest.Merge(about, k.held(false)))))
		return
	}
	_, formats := kmstest.Shapes(k.Signature)
	ask := map[string]any{"payload": "aGVsbG8", "input": "message", "format": formats[len(formats)-1]}
	signature := kmstest.Decoded(t, o.do(t, k, "sign", ask).Member(t, "signature"))
	require.NoError(t, o.check(t, k, false, []byte("hello"), signature, "der"))
}

// left are keys that the service has made and exported to a recipient, which a third party opens.
func (o *others) left(t *testing.T, prefix string, recipient map[string]any, open func(message string) []byte) {
	t.Helper()
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "HS384", "A256GCM/A256KW"} {
		name := prefix + strings.ToLower(strings.ReplaceAll(algorithm, "/", "-"))
		k := brought{id: o.root.Exportable(t, name, algorithm)}
		k.kid = k.id + ".1"
		message := o.root.Call(t, "", http.MethodPost, k.pathTo("export"), map[string]any{"recipient": recipient}).Done(t, http.StatusOK).Member(t, "jwe")
		own := json.RawMessage(open(message))
		if strings.Contains(algorithm, "/") {
			sealed := o.do(t, k, "encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
			read := o.ask(t, map[string]any{"operation": "decrypt", "algorithm": "A256KW", "encryption": "A256GCM", "key": own, "text": sealed})
			assert.Equal(t, "hello", string(read))
			continue
		}
		signed := o.ask(t, map[string]any{"operation": "sign", "algorithm": algorithm, "key": own, "text": "with a key that has left"})
		verdict := o.do(t, k, "verify", map[string]any{"signature": string(signed)}).Object(t)
		assert.Equal(t, true, verdict["valid"], algorithm)
	}
}

func (o *others) exportsToOpenSSL(t *testing.T, row string) {
	to := o.pairs["3072"]
	k := brought{keyPair: to, Spec: alg.Spec{KeyManagement: "RSA-OAEP-256", ContentEncryption: "A256GCM", KeyType: alg.KeyTypeRSA}}
	o.left(t, "to-openssl-", o.rsaJWK(t, to.spki), func(message string) []byte { return o.open(t, k, message) })
	o.note(tableKeys, row, carried, byBoth)
}

func (o *others) exportsToPeer(t *testing.T, row string) {
	to := o.pairs["P-384"]
	recipient := kmstest.Merge(jwkOf(t, to.spki), map[string]any{"alg": "ECDH-ES+A256KW"})
	o.left(t, "to-peer-", recipient, func(message string) []byte {
		return o.ask(t, map[string]any{"operation": "decrypt", "algorithm": "ECDH-ES+A256KW", "encryption": "A256GCM", "pkcs8": to.pkcs8, "text": message})
	})
	o.note(tableKeys, row, carried, byJOSE)
}

// publicKeys compares what the service says of public keys with what their owners know.
func (o *others) publicKeys(t *testing.T, row string) {
	for i, spec := range carriedSpecs(t) {
		if spec.KeyType == alg.KeyTypeOctet {
			continue
		}
		k, _ := o.material(t, spec)
		ask := map[string]any{"name": fmt.Sprintf("public-%d", i), "algorithm": spec.Algorithm, "origin": "imported"}
		if spec.KeyType == alg.KeyTypeRSA {
			ask["key_size"] = spec.KeySize
		}
		id := o.s.Post(t, o.token, "elastic-keys", ask).Member(t, "id")
		text := string(o.Run(t, "pkey", "-pubin", "-in", o.PEM(t, "PUBLIC KEY", k.spki)))
		o.s.Post(t, o.token, "elastic-keys/"+id+"/import", map[string]any{"public_key": text})
		shown := o.s.Get(t, o.token, "elastic-keys/"+id+"/public-key")
		assert.Equal(t, k.spki, o.Run(t, "pkey", "-pubin", "-in", o.File(t, []byte(shown.Member(t, "pem"))), "-outform", "DER"))
		signed := o.ask(t, map[string]any{"operation": "sign", "algorithm": oldName(spec.Signature), "pkcs8": k.pkcs8, "kid": id + ".1", "text": "a message"})
		read := o.ask(t, map[string]any{"operation": "verify", "algorithm": oldName(spec.Signature), "key": withoutAlgorithm(t, shown.Raw(t, "jwk")), "text": string(signed)})
		assert.Equal(t, "a message", string(read))
		verdict := o.s.Post(t, o.token, "elastic-keys/"+id+"/verify", map[string]any{"signature": string(signed)}).Object(t)
		assert.Equal(t, true, verdict["valid"], spec.Algorithm)
	}
	o.note(tableKeys, row, carried, byJOSE)
	o.note(tableKeys, row, carried, byOpenSSL)
}

// withoutAlgorithm is a JWK for go-jose, which knows Ed25519 by its old name alone.
func withoutAlgorithm(t testing.TB, text json.RawMessage) json.RawMessage {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	delete(members, "alg")
	out, err := json.Marshal(members)
	require.NoError(t, err)
	return out
}

// rsaJWK is a recipient of exports.
func (o *others) rsaJWK(t testing.TB, spki []byte) map[string]any {
	t.Helper()
	key, err := x509.ParsePKIXPublicKey(spki)
	require.NoError(t, err)
	public := key.(*rsa.PublicKey)
	return map[string]any{"kty": "RSA", "alg": "RSA-OAEP-256", "n": kmstest.Encode(public.N.Bytes()), "e": kmstest.Encode(big.NewInt(int64(public.E)).Bytes())}
}
