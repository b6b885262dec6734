package jws_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

type joseGroup struct {
	Comment string          `json:"comment"`
	Private json.RawMessage `json:"private"`
	Public  json.RawMessage `json:"public"`
	Tests   []struct {
		wycheproof.Test
		JWS string `json:"jws"`
		JWE string `json:"jwe"`
	} `json:"tests"`
}

// verifier is the text of the key that verifies the group's tokens.
func (g joseGroup) verifier() json.RawMessage {
	if g.Public != nil {
		return g.Public
	}
	return g.Private
}

func TestVectors_JSONWebSignature(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[joseGroup](t, "json_web_signature_test.json")
	tally := file.Start(t)
	var genuine string // vector 357
	for _, group := range file.Groups {
		key, keyErr := jwk.Parse(group.verifier())
		for _, v := range group.Tests {
			err := keyErr
			if err == nil {
				_, _, err = jws.Verify(key, v.JWS, jws.Expect{})
			}
			var policy wycheproof.Policy
			switch v.ID {
			case 346, 350:
				// Figure 20 of RFC 7520 is a PS384 token; the vectors give its key "alg": "PS256".
				policy = wycheproof.Policy{Reason: "the token's algorithm is not the key's", Code: "invalid_jws"}
			case 347, 351:
				policy = wycheproof.Policy{Reason: `the key's algorithm "ES521" does not exist`, Code: "unsupported_algorithm"}
			case 372, 373:
				// A question mark stands in the header of the one and in the payload of the other, after they
				// were signed without it.
				require.Contains(t, v.JWS, "?")
				policy = wycheproof.Policy{Reason: "foreign characters in base64url (RFC 7515 section 2)", Code: "invalid_jws", Is: jws.ErrVerification}
			case 357:
				genuine = v.JWS
			case 367, 370:
				// Published as invalid, for a padding that the published token does not have: it is, byte
				// for byte, vector 357, which is published as valid.
				require.Equal(t, genuine, v.JWS)
				v.Result = "valid"
			}
			tally.Check(v.Test, err, policy)
		}
	}
	tally.Finish()
}

func TestVectors_JSONWebKey(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[joseGroup](t, "json_web_key_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		set, setErr := jwk.ParseSet(group.verifier())
		for _, v := range group.Tests {
			err := setErr
			if err == nil {
				err = verifyWithSet(set, v.JWS)
			}
			tally.Check(v.Test, err, wycheproof.Policy{})
		}
	}
	tally.Finish()
}

func verifyWithSet(set *jwk.Set, token string) error {
	h, err := jws.ParseHeader(token)
	if err != nil {
		return err
	}
	key, found := set.Find(h.KeyID)
	if !found {
		return jws.ErrVerification
	}
	_, _, err = jws.Verify(key, token, jws.Expect{})
	return err
}

type signatureGroup struct {
	JWK       json.RawMessage `json:"publicKeyJwk"`
	RSAJWK    json.RawMessage `json:"keyJwk"`
	PublicKey json.RawMessage `json:"publicKey"`
	Tests     []struct {
		wycheproof.Test
		Message   wycheproof.Hex `json:"msg"`
		Signature wycheproof.Hex `json:"sig"`
	} `json:"tests"`
}

func TestVectors_ECDSA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, algorithm string
		curve           elliptic.Curve
	}{
		{"ecdsa_secp256r1_sha256_p1363_test.json", "ES256", elliptic.P256()},
		{"ecdsa_secp256r1_sha512_p1363_test.json", "ES256", elliptic.P256()},
		{"ecdsa_secp384r1_sha384_p1363_test.json", "ES384", elliptic.P384()},
		{"ecdsa_secp384r1_sha512_p1363_test.json", "ES384", elliptic.P384()},
		{"ecdsa_secp521r1_sha512_p1363_test.json", "ES512", elliptic.P521()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[signatureGroup](t, c.name)
			tally := file.Start(t)
			longerHash := strings.Contains(c.name, "sha512") && c.algorithm != "ES512"
			for _, group := range file.Groups {
				key := ecKey(t, group, c.curve)
				for _, v := range group.Tests {
					input, data := jws.InputMessage, []byte(v.Message)
					if longerHash {
						// JWA has no such algorithm, but ECDSA takes the leftmost bits of a hash that is longer
						// than the order (FIPS 186-5 section 6.4.1), which makes it a digest of the right length.
						sum := sha512.Sum512(v.Message)
						input, data = jws.InputDigest, sum[:c.curve.Params().BitSize/8]
						require.Error(t, jws.VerifyRaw(key, c.algorithm, input, sum[:], v.Signature, jws.FormatP1363))
					}
					tally.Check(v.Test, jws.VerifyRaw(key, c.algorithm, input, data, v.Signature, jws.FormatP1363), wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

// ecKey reads the group's JSON Web Key, or its bare point where it has none.
func ecKey(t *testing.T, group signatureGroup, curve elliptic.Curve) *jwk.Key {
	t.Helper()
	if group.JWK != nil {
		key, err := jwk.Parse(group.JWK)
		require.NoError(t, err)
		return key
	}
	var described struct {
		Point wycheproof.Hex `json:"uncompressed"`
	}
	require.NoError(t, json.Unmarshal(group.PublicKey, &described))
	public, err := ecdsa.ParseUncompressedPublicKey(curve, described.Point)
	require.NoError(t, err)
	key, err := jwk.FromMaterial(public, jwk.Attributes{})
	require.NoError(t, err)
	return key
}

func TestVectors_Ed25519(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[signatureGroup](t, "ed25519_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		key, err := jwk.Parse(group.JWK)
		require.NoError(t, err)
		for _, v := range group.Tests {
			tally.Check(v.Test, jws.VerifyRaw(key, "Ed25519", jws.InputMessage, v.Message, v.Signature, jws.FormatRaw), wycheproof.Policy{})
		}
	}
	tally.Finish()
}

func TestVectors_RSA(t *testing.T) {
	t.Parallel()
	for name, algorithm := range map[string]string{
		"rsa_signature_2048_sha256_test.json":   "RS256",
		"rsa_signature_3072_sha384_test.json":   "RS384",
		"rsa_pss_2048_sha256_mgf1_32_test.json": "PS256",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[signatureGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				if group.RSAJWK == nil {
					group.RSAJWK = group.JWK
				}
				key, keyErr := jwk.Parse(group.RSAJWK)
				for _, v := range group.Tests {
					tally.Check(v.Test, verifyRSA(key, keyErr, algorithm, v.Message, v.Signature), rsaPolicy(t, group.RSAJWK, v.Test))
				}
			}
			tally.Finish()
		})
	}
}

func verifyRSA(key *jwk.Key, keyErr error, algorithm string, message, signature []byte) error {
	if keyErr != nil {
		return keyErr
	}
	return jws.VerifyRaw(key, algorithm, jws.InputMessage, message, signature, jws.FormatRaw)
}

func rsaPolicy(t *testing.T, key json.RawMessage, test wycheproof.Test) wycheproof.Policy {
	t.Helper()
	var members struct {
		E string `json:"e"`
	}
	require.NoError(t, json.Unmarshal(key, &members))
	switch {
	case members.E == "Aw":
		return wycheproof.Policy{Reason: "public exponent 3 is below 2^16 (FIPS 186-5 section 5.1)", Code: "invalid_jwk"}
	case test.Result == "acceptable":
		return wycheproof.Policy{Reason: "DigestInfo without its NULL (RFC 8017 section 9.2)", Is: jws.ErrVerification}
	default:
		return wycheproof.Policy{}
	}
}

type macGroup struct {
	KeySize int `json:"keySize"`
	TagSize int `json:"tagSize"`
	Tests   []struct {
		wycheproof.Test
		Key     wycheproof.Hex `json:"key"`
		Message wycheproof.Hex `json:"msg"`
		Tag     wycheproof.Hex `json:"tag"`
	} `json:"tests"`
}

func TestVectors_HMAC(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		algorithm string
		bits      int
	}{
		"hmac_sha256_test.json": {"HS256", 256},
		"hmac_sha384_test.json": {"HS384", 384},
		"hmac_sha512_test.json": {"HS512", 512},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[macGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				var policy wycheproof.Policy
				switch {
				case group.KeySize < c.bits:
					policy = wycheproof.Policy{Reason: "key shorter than the hash (RFC 7518 section 3.2)", Code: "key_mismatch"}
				case group.TagSize < c.bits:
					policy = wycheproof.Policy{Reason: "truncated tag (RFC 7518 section 3.2)", Is: jws.ErrVerification}
				}
				for _, v := range group.Tests {
					key, err := jwk.FromMaterial([]byte(v.Key), jwk.Attributes{})
					require.NoError(t, err)
					tally.Check(v.Test, jws.VerifyRaw(key, c.algorithm, jws.InputMessage, v.Message, v.Tag, jws.FormatRaw), policy)
				}
			}
			tally.Finish()
		})
	}
}
