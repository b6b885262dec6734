package attacktest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Nothing can be named so that it stands for something else.
func TestAttack_NamesThatLookLikeSomethingElse(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	s.Tenant(t, "acme")
	acme := s.Token(t, "acme", "token", "kms:admin")
	foreign := s.Create(t, acme, "foreign", "A256GCM/A256KW")
	for what, name := range map[string]string{
		"the id of a key": h.SecretID, "the id of a version": h.MaterialID, "another tenant's id": foreign, "an id of nobody": uuid.NewString(),
		"an id in capitals": strings.ToUpper(h.SecretID), "the nil id": uuid.Nil.String(), "a path": "a/b", "a parent": "..", "a dot": ".", "a query": "a?version=1",
		"a blank": "a b", "nothing": "", "a letter beyond ASCII": "sеcret", "an id in braces": "{" + h.SecretID + "}", "a URN": "urn:uuid:" + h.SecretID,
	} {
		for path, body := range map[string]map[string]any{
			"elastic-keys": {"name": name, "algorithm": "ES256"}, "aliases": {"name": name, "key": h.SecretID},
		} {
			s.Call(t, h.Token, http.MethodPost, path, body).Refused(t, http.StatusBadRequest, "validation_failed", path+": "+what)
		}
		s.Call(t, h.Token, http.MethodPatch, "elastic-keys/"+h.Secret, map[string]any{"name": name}).
			RefusedOneOf(t, "validation_failed", "unknown_member")
	}
	// One name space: an alias takes no key's name, and the other way round.
	s.Call(t, h.Token, http.MethodPost, "aliases", map[string]any{"name": h.SignerName, "key": h.SecretID}).RefusedOneOf(t, "conflict", "name_taken")
	s.Call(t, h.Token, http.MethodPost, "elastic-keys", map[string]any{"name": h.Alias, "algorithm": "ES256"}).RefusedOneOf(t, "conflict", "name_taken")
	for what, key := range map[string]string{"another tenant's key": foreign, "its name": "foreign", "a kid": h.SecretID + ".1"} {
		s.Call(t, h.Token, http.MethodPost, "aliases", map[string]any{"name": "reach", "key": key}).RefusedOneOf(t, kmstest.NotFound, "validation_failed")
		s.Call(t, h.Token, http.MethodPatch, "aliases/"+h.Alias, map[string]any{"key": key}).RefusedOneOf(t, kmstest.NotFound, "validation_failed")
		s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(key, "encrypt"), map[string]any{"plaintext": ""}).Refused(t, http.StatusNotFound, kmstest.NotFound, what)
	}
	// A name that looks like a version of a key is a name, and no `kid` finds it.
	s.Create(t, h.Token, "payroll.1", "A256GCM/A256KW")
	s.Create(t, h.Token, "payroll", "A256GCM/A256KW")
	sealed := s.Post(t, h.Token, "elastic-keys/payroll.1/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	for _, kid := range []string{"payroll.1", "payroll.1.1"} {
		for _, key := range []string{"payroll", "payroll.1"} {
			s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(key, "decrypt"), map[string]any{"ciphertext": kmstest.Readdress(t, sealed, kid)}).
				Refused(t, http.StatusBadRequest, "decryption_failed", kid)
		}
	}
}

// An alias that moves while it is used stands for one of the two keys at each moment, in all of a request: what was made under it is the key's that
// the answer names, and opens under that one alone.
func TestAttack_AliasesThatMoveDuringUse(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		keys := []string{s.Create(t, token, "one", "A256GCM/A256KW"), s.Create(t, token, "two", "A256GCM/A256KW")}
		s.Post(t, token, "aliases", map[string]any{"name": "moving", "key": keys[0]})
		const workers, moves = 3, 10
		var group sync.WaitGroup
		var over atomic.Bool
		made, failures := make([][]kmstest.Answer, workers), make([]error, workers)
		items := map[string]any{"items": []any{map[string]any{"plaintext": "aGVsbG8"}, map[string]any{"plaintext": "aGVsbG8"}, map[string]any{"plaintext": "aGVsbG8"}}}
		for i := range workers {
			group.Go(func() {
				for !over.Load() {
					got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/moving/encrypt-batch", items))
					if err == nil && got.Status != http.StatusOK {
						err = fmt.Errorf("%d %s", got.Status, got.Body)
					}
					if err != nil {
						failures[i] = err
						return
					}
					made[i] = append(made[i], got)
				}
			})
		}
		for i := 1; i <= moves; i++ {
			tag := s.Get(t, token, "aliases/moving").Header.Get("ETag")
			moved := s.Call(t, token, http.MethodPatch, "aliases/moving", map[string]any{"key": keys[i%2]}, "If-Match", tag)
			assert.Equal(t, http.StatusOK, moved.Status, "%s", moved.Body)
			s.Post(t, token, "elastic-keys/moving/encrypt", map[string]any{"plaintext": ""}) // the others get on too
		}
		over.Store(true)
		group.Wait()
		used := map[string]int{}
		for i := range workers {
			require.NoError(t, failures[i])
			for _, got := range made[i] {
				for _, result := range got.Results(t) {
					id, message := result["elastic_key_id"].(string), result["ciphertext"].(string)
					require.Contains(t, keys, id)
					assert.Equal(t, id+".1", kmstest.Protected(t, message)["kid"])
					used[id]++
				}
			}
		}
		require.NotEmpty(t, made[0])
		for _, result := range made[0][len(made[0])-1].Results(t) {
			for _, key := range keys {
				got := s.Call(t, token, http.MethodPost, kmstest.PathOf(key, "decrypt"), map[string]any{"ciphertext": result["ciphertext"]})
				if key == result["elastic_key_id"] {
					assert.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
				} else {
					got.Refused(t, http.StatusBadRequest, "decryption_failed", "the other key")
				}
			}
		}
		assert.Len(t, used, 2, "it moved meanwhile")
	})
}

// Items of a batch are about the key in the path alone.
func TestAttack_BatchesThatMixKeysAndTenants(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	s.Tenant(t, "acme")
	other := kmstest.NewHolding(t, s, "acme", s.Token(t, "acme", "token", "kms:admin"))
	s.Create(t, h.Token, "second", "A256GCM/A256KW")
	second := s.Post(t, h.Token, "elastic-keys/second/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	type item struct {
		body   map[string]any
		status int
		code   string
	}
	reencrypt := func(more map[string]any) map[string]any {
		return kmstest.Merge(map[string]any{"ciphertext": h.Ciphertext}, more)
	}
	for verb, items := range map[string][]item{
		"decrypt": {
			{map[string]any{"ciphertext": h.Ciphertext}, 200, ""},
			{map[string]any{"ciphertext": second}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": other.Ciphertext}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": h.Ciphertext, "key": "second"}, 400, "unknown_member"},
			{map[string]any{"ciphertext": h.Ciphertext, "tenant": "acme"}, 400, "unknown_member"},
			{map[string]any{"ciphertext": h.Wrapped}, 200, ""},
			{map[string]any{"ciphertext": h.JWS}, 400, "decryption_failed"},
		},
		"unwrap": {{map[string]any{"wrapped": h.Wrapped}, 200, ""}, {map[string]any{"wrapped": other.Wrapped}, 400, "decryption_failed"}, {map[string]any{"wrapped": h.Ciphertext}, 400, "decryption_failed"}},
		"reencrypt": {
			{reencrypt(map[string]any{"target": "second"}), 200, ""},
			{reencrypt(map[string]any{"target": other.SecretID}), 404, kmstest.NotFound},
			{reencrypt(map[string]any{"target": other.SecretName}), 404, kmstest.NotFound},
			{reencrypt(map[string]any{"target": h.Signer}), 409, "wrong_key_use"},
			{map[string]any{"ciphertext": other.Ciphertext, "target": h.Secret}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": second, "target": h.Secret}, 400, "decryption_failed"},
			{reencrypt(map[string]any{"target": h.SecretID + ".1"}), 404, kmstest.NotFound},
		},
		"verify": {{map[string]any{"signature": h.JWS}, 200, ""}, {map[string]any{"signature": other.JWS}, 200, "not valid"}, {map[string]any{"signature": h.Ciphertext}, 200, "not valid"}},
	} {
		key, _ := h.Keyed(verb)
		var bodies []any
		for _, item := range items {
			bodies = append(bodies, item.body)
		}
		for i, result := range s.Post(t, h.Token, kmstest.PathOf(key, verb+"-batch"), map[string]any{"items": bodies}).Results(t) {
			what := fmt.Sprintf("%s %d", verb, i)
			if items[i].status != http.StatusOK {
				kmstest.RefusedItem(t, result, items[i].status, items[i].code, what)
				continue
			}
			assert.Equal(t, items[i].code, kmstest.CodeOf(int(result["status"].(float64)), result), "%s: %v", what, result)
		}
		// The same under another tenant's path is nobody's, whatever the items hold.
		s.Call(t, other.Token, http.MethodPost, kmstest.PathOf(key, verb+"-batch"), map[string]any{"items": bodies}).Refused(t, http.StatusNotFound, kmstest.NotFound, verb)
	}
}

// A body is what its media type says, and an operation takes those of the document alone.
func TestAttack_OctetsUnderOtherMediaTypes(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, f := range h.Forms(t) {
		if f.Batch || f.Octets != nil {
			continue
		}
		for _, mediaType := range []string{"text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/jwt", "*/*", "x"} {
			s.Octets(t, h.Token, f.Path, mediaType, []byte("hello")).Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+" of "+mediaType)
		}
		takes := f.Verb == "encrypt" || f.Verb == "decrypt" || f.Verb == "sign" || f.Verb == "verify"
		for _, mediaType := range []string{kmstest.OctetStream, kmstest.JOSE} {
			s.Octets(t, h.Token, f.Path+"-batch", mediaType, []byte("hello")).Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+"-batch of "+mediaType)
			if !takes {
				s.Octets(t, h.Token, f.Path, mediaType, []byte("hello")).Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+" of "+mediaType)
			}
		}
		s.Octets(t, h.Token, f.Path, "application/json", []byte("hello")).RefusedOneOf(t, "malformed_json", "bad_request", "validation_failed")
	}
	// JSON that says it is octets is octets, and none of it is obeyed.
	body := []byte(`{"plaintext":"aGVsbG8"}`)
	sealed := s.Octets(t, h.Token, kmstest.PathOf(h.Secret, "encrypt"), kmstest.OctetStream, body)
	opened := s.Octets(t, h.Token, kmstest.PathOf(h.Secret, "decrypt"), kmstest.JOSE, sealed.Body)
	assert.Equal(t, body, opened.Body)
	for what, message := range map[string][]byte{"a JSON body": []byte(`{"ciphertext":"` + h.Ciphertext + `"}`), "zeros": make([]byte, 100), "a JWS": []byte(h.JWS), "a line more": append([]byte(h.Ciphertext), '\n')} {
		s.Octets(t, h.Token, kmstest.PathOf(h.Secret, "decrypt"), kmstest.JOSE, message).Refused(t, http.StatusBadRequest, "decryption_failed", what)
	}
	s.Octets(t, h.Token, kmstest.PathOf(h.Secret, "decrypt"), kmstest.JOSE, bytes.Repeat([]byte("A"), 200<<10)).Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "oversized")
	s.Octets(t, h.Token, kmstest.PathOf(h.Secret, "encrypt"), kmstest.OctetStream+"; charset=x", []byte("x")).
		Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", "octets have no charset")
}
