package jose_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

// ders are the certificates of a text in PEM.
func ders(t testing.TB, text string) (out [][]byte) {
	t.Helper()
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, block.Bytes)
	}
	return out
}

func hashOf(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// published is the key of a `kid` in the tenant's public key set.
func (s *service) published(t testing.TB, kid string) object {
	t.Helper()
	var set struct{ Keys []object }
	require.NoError(t, json.Unmarshal(s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Body, &set))
	for _, key := range set.Keys {
		if key["kid"] == kid {
			return key
		}
	}
	require.Fail(t, "the set has no such key", "%s", kid)
	return nil
}

// From the request to the certificate's end: what openssl as a certification authority makes is served with the key, named in the headers of what
// it signs, and gone when it has expired.
func TestCertificate_LifeOfACertifiedKey(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: time.Now().Add(-time.Hour)}
			cfg, files := prepare(t, engine)
			s := &service{Running: servicetest.Run(t, jose.Timed(c.Now), cfg, files, &servicetest.Log{}), logs: &servicetest.Log{}}
			token := s.Operator(t)
			o := newOpenSSL(t)
			root := o.root(t, "root")
			issuer := root.subordinate(t, "issuer", authorityExtensions)
			s.create(t, token, "signer", "ES256")
			s.profile(t, token, "plain", object{"key": "signer"})
			s.profile(t, token, "chained", object{"key": "signer", "certificate_chain": true})
			kid := s.get(t, token, "keys/signer/public-key").Member(t, "kid")
			before := s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Header.Get("ETag")

			made := s.post(t, token, "keys/signer/csr", object{
				"subject":   object{"common_name": "Tokens", "organization": "Shop, \"Ltd\"", "country": "DE", "state": "Bayern", "locality": "Nürnberg", "organizational_unit": "IT"},
				"dns_names": []string{"tokens.example", "*.tokens.example"}, "ip_addresses": []string{"192.0.2.7", "2001:db8::7"},
				"email_addresses": []string{"tokens@example.org"}, "uris": []string{"https://tokens.example/a?b=c", "spiffe://example.org/tokens"},
			})
			assert.Equal(t, []any{kid, 1.0}, []any{made.Object(t)["kid"], made.Object(t)["version"]})
			seen := o.run(t, "req", "-verify", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus,sname", "-in", o.file(t, made.Member(t, "pem")))
			for _, line := range []string{
				"verify OK", "ecdsa-with-SHA256", "CN=Tokens", "O=Shop, \"Ltd\"", "C=DE", "ST=Bayern", "L=Nürnberg", "OU=IT",
				"DNS:tokens.example, DNS:*.tokens.example, email:tokens@example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, " +
					"URI:https://tokens.example/a?b=c, URI:spiffe://example.org/tokens\n",
			} {
				assert.Contains(t, seen, line)
			}
			leaf := issuer.sign(t, made.Member(t, "pem"), leafExtensions, "-days", "1")
			chain := leaf + issuer.pem + root.pem

			assert.NotContains(t, s.get(t, token, "keys/signer/versions/1").Object(t), "certificate")
			s.call(t, token, http.MethodGet, "keys/signer/certificate", nil).refused(t, http.StatusNotFound, "not_found", "before there is one")
			s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": chain})
			assert.NotContains(t, s.published(t, kid), "x5c", "one that is not valid yet waits")
			c.pass(2 * time.Hour)
			stored := s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": "of the shop\n" + chain})
			require.Equal(t, http.StatusOK, stored.Status, "%s", stored.Body)
			assert.Equal(t, chain, stored.Member(t, "pem"), "what stands between is not kept")
			assert.Equal(t, string(stored.Body), string(s.get(t, token, "keys/signer/certificate?version=1").Body))
			shown := s.get(t, token, "keys/signer/versions/1").Object(t)["certificate"].(object)
			parsed, err := x509.ParseCertificate(ders(t, leaf)[0])
			require.NoError(t, err)
			assert.Equal(t, object{
				"x5t_s256": hashOf(parsed.Raw), "subject": parsed.Subject.String(), "issuer": "CN=issuer", "serial_number": fmt.Sprintf("%x", parsed.SerialNumber),
				"not_before": parsed.NotBefore.Format("2006-01-02T15:04:05.000000Z"), "not_after": parsed.NotAfter.Format("2006-01-02T15:04:05.000000Z"), "valid": true,
			}, shown)

			certified := s.published(t, kid)
			var texts []any
			for _, der := range ders(t, chain) {
				texts = append(texts, base64.StdEncoding.EncodeToString(der))
			}
			assert.Equal(t, []any{texts, hashOf(parsed.Raw)}, []any{certified["x5c"], certified["x5t#S256"]})
			assert.NotContains(t, certified, "x5t", "SHA-1")
			assert.NotEqual(t, before, s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Header.Get("ETag"))
			assert.Equal(t, certified, s.get(t, token, "keys/signer/public-key").Object(t)["jwk"])
			o.run(t, "verify", "-x509_strict", "-CAfile", o.file(t, root.pem), "-untrusted", o.file(t, issuer.pem), o.file(t, leaf))

			sign := func(more object) answer {
				ask := object{"key": "signer", "payload": "aGk"}
				for name, value := range more {
					ask[name] = value
				}
				return s.call(t, token, http.MethodPost, "jws/sign", ask)
			}
			usual := sign(nil).Member(t, "message")
			assert.Equal(t, object{"alg": "ES256", "kid": kid, "x5t#S256": hashOf(parsed.Raw)}, protectedOf(t, usual))
			s.post(t, token, "jws/verify", object{"message": usual})
			chained := sign(object{"certificate_chain": true}).Member(t, "message")
			assert.Equal(t, texts, protectedOf(t, chained)["x5c"])
			s.call(t, token, http.MethodPost, "jws/verify", object{"message": chained}).refused(t, http.StatusBadRequest, "invalid_jws", "nobody admits it")
			s.post(t, token, "jws/verify", object{"message": chained, "certificate_chain": true})
			foreign, err := jwk.FromMaterial(parsed.PublicKey, jwk.Attributes{Algorithm: "ES256"})
			require.NoError(t, err)
			_, _, err = jws.Verify(foreign, chained, jws.Expect{Allow: jws.Allow{EmbeddedChain: true}})
			require.NoError(t, err, "by the certificate alone")
			several := s.post(t, token, "jws/sign", object{"payload": "aGk", "signers": []object{{"key": "signer", "certificate_chain": true}, {"key": "signer"}}}).Member(t, "message")
			s.post(t, token, "jws/verify", object{"message": several, "certificate_chain": true})

			issue := func(profile string) string {
				return s.post(t, token, "jwt/issue", object{"profile": profile}).Member(t, "token")
			}
			assert.Equal(t, []any{hashOf(parsed.Raw), nil}, []any{protectedOf(t, issue("plain"))["x5t#S256"], protectedOf(t, issue("plain"))["x5c"]})
			withChain := issue("chained")
			assert.Equal(t, texts, protectedOf(t, withChain)["x5c"])
			s.post(t, token, "jwt/verify", object{"profile": "chained", "token": withChain})
			s.post(t, token, "jwt/verify", object{"profile": "chained", "token": issue("plain")})
			s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": "plain", "token": withChain}).
				refused(t, http.StatusBadRequest, "token_malformed", "the profile does not say so")
			card := s.post(t, token, "sd-jwt/issue", object{"profile": "chained", "claims": object{"name": "x"}, "selective": []string{"/name"}}).Member(t, "token")
			assert.Equal(t, texts, protectedOf(t, card)["x5c"])
			s.post(t, token, "sd-jwt/verify", object{"profile": "chained", "token": card})

			// A version that is to take over is certified before it does; the longer chain decides nothing about the other.
			s.post(t, token, "keys/signer/rotate", nil)
			second := s.certify(t, token, "signer", 2, issuer, "-days", "5")
			s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": second}).refused(t, http.StatusBadRequest, "invalid_certificate", "of version 2")
			require.Equal(t, http.StatusOK, s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": second, "version": 2}).Status)
			next := strings.TrimSuffix(kid, ".1") + ".2"
			assert.Equal(t, hashOf(ders(t, second)[0]), s.published(t, next)["x5t#S256"])

			c.pass(22 * time.Hour)
			assert.Contains(t, s.published(t, kid), "x5c", "to the end")
			assert.Equal(t, hashOf(ders(t, second)[0]), protectedOf(t, issue("plain"))["x5t#S256"], "the version that took over")
			c.pass(2 * time.Hour)
			assert.NotContains(t, s.published(t, kid), "x5c")
			assert.Contains(t, s.published(t, next), "x5c")
			assert.Equal(t, false, s.get(t, token, "keys/signer/certificate?version=1").Object(t)["certificate"].(object)["valid"])
			s.post(t, token, "jws/verify", object{"message": usual})
			c.pass(5 * 24 * time.Hour)
			assert.NotContains(t, protectedOf(t, sign(nil).Member(t, "message")), "x5t#S256")
			assert.NotContains(t, protectedOf(t, issue("chained")), "x5c")
			sign(object{"certificate_chain": true}).refused(t, http.StatusConflict, "no_certificate", "expired")

			// Renewed by the same request, and removed.
			renewed := s.certify(t, token, "signer", 2, root, "-days", "29")
			require.Equal(t, http.StatusOK, s.call(t, token, http.MethodPut, "keys/signer/certificate", object{"pem": renewed}).Status)
			assert.Equal(t, hashOf(ders(t, renewed)[0]), protectedOf(t, sign(nil).Member(t, "message"))["x5t#S256"])
			assert.Equal(t, http.StatusNoContent, s.call(t, token, http.MethodDelete, "keys/signer/certificate", nil).Status)
			s.call(t, token, http.MethodDelete, "keys/signer/certificate", nil).refused(t, http.StatusNotFound, "not_found", "again")
			assert.NotContains(t, s.published(t, next), "x5c")
			assert.NotContains(t, protectedOf(t, sign(nil).Member(t, "message")), "x5t#S256")
			s.post(t, token, "keys/signer/disable", nil)
			assert.Equal(t, http.StatusNoContent, s.call(t, token, http.MethodDelete, "keys/signer/certificate?version=1", nil).Status, "also of a key that is disabled")

			counts := map[string]int{}
			auditor := s.Token(t, "default", "auditor", "jose:audit")
			require.Eventually(t, func() bool {
				clear(counts)
				for _, event := range s.get(t, auditor, "audit/events?limit=1000&newest=true").Items(t) {
					counts[event["event"].(object)["action"].(string)]++
				}
				return counts["certificate.remove"] == 2
			}, 10*time.Second, 20*time.Millisecond)
			assert.Equal(t, []int{3, 4}, []int{counts["certificate.request"], counts["certificate.set"]})
		})
	}
}

// Every algorithm signs its request, as openssl sees it.
func TestCertificate_RequestsOfEveryAlgorithmVerifyElsewhere(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	o := newOpenSSL(t)
	root := o.root(t, "root")
	for algorithm, name := range map[string]string{
		"ES256": "ecdsa-with-SHA256", "ES384": "ecdsa-with-SHA384", "ES512": "ecdsa-with-SHA512", "Ed25519": "ED25519",
		"RS256": "sha256WithRSAEncryption", "RS384": "sha384WithRSAEncryption", "RS512": "sha512WithRSAEncryption",
		"PS256": "Hash Algorithm: sha256", "PS384": "Hash Algorithm: sha384", "PS512": "Hash Algorithm: sha512",
	} {
		key := strings.ToLower(algorithm)
		ask := object{"name": key, "algorithm": algorithm}
		if algorithm[1] == 'S' && algorithm[0] != 'E' {
			ask["key_size"] = 2048
		}
		s.post(t, token, "keys", ask)
		made := s.post(t, token, "keys/"+key+"/csr", object{"dns_names": []string{"a.example"}}).Member(t, "pem")
		seen := o.run(t, "req", "-verify", "-noout", "-text", "-in", o.file(t, made))
		assert.Contains(t, seen, "verify OK", algorithm)
		assert.Contains(t, seen, name, algorithm)
		assert.Contains(t, seen, "Subject: \n", "no name is made of another")
		leaf := root.sign(t, made, leafExtensions, "-days", "1")
		stored := s.call(t, token, http.MethodPut, "keys/"+key+"/certificate", object{"pem": leaf})
		require.Equal(t, http.StatusOK, stored.Status, "%s: %s", algorithm, stored.Body)
		message := s.post(t, token, "jws/sign", object{"key": key, "payload": "aGk", "certificate_chain": true}).Member(t, "message")
		s.post(t, token, "jws/verify", object{"message": message, "certificate_chain": true})
	}
}

// A key that a KMS keeps is certified as one of our own: the KMS signs the request.
func TestCertificate_OfAKeyThatAKMSKeeps(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	cfg, files := prepare(t, database.EngineSQLite)
	k.federate(t, &cfg)
	s := run(t, cfg, files)
	token := s.Operator(t)
	o := newOpenSSL(t)
	root := o.root(t, "root")
	for _, algorithm := range []string{"ES256", "Ed25519"} {
		name := strings.ToLower(algorithm)
		k.lend(t, "lent-"+name, algorithm, "default")
		s.adopt(t, token, name, "lent-"+name)
		csr := s.post(t, token, "keys/"+name+"/csr", object{"dns_names": []string{"a.example"}}).Member(t, "pem")
		assert.Contains(t, o.run(t, "req", "-verify", "-noout", "-text", "-in", o.file(t, csr)), "verify OK")
		leaf := root.sign(t, csr, leafExtensions, "-days", "1")
		stored := s.call(t, token, http.MethodPut, "keys/"+name+"/certificate", object{"pem": leaf})
		require.Equal(t, http.StatusOK, stored.Status, "%s", stored.Body)
		message := s.post(t, token, "jws/sign", object{"key": name, "payload": "aGk", "certificate_chain": true}).Member(t, "message")
		assert.Equal(t, hashOf(ders(t, leaf)[0]), protectedOf(t, message)["x5t#S256"])
		s.post(t, token, "jws/verify", object{"message": message, "certificate_chain": true})
	}
}
