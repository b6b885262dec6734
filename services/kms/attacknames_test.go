package kms_test

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
)

// Nothing can be named so that it stands for something else.
func TestAttack_NamesThatLookLikeSomethingElse(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	s.tenant(t, "acme")
	acme := s.token(t, "acme", "token", "kms:admin")
	foreign := s.create(t, acme, "foreign", "A256GCM/A256KW")
	for what, name := range map[string]string{
		"the id of a key": h.secretID, "the id of a version": h.materialID, "another tenant's id": foreign, "an id of nobody": uuid.NewString(),
		"an id in capitals": strings.ToUpper(h.secretID), "the nil id": uuid.Nil.String(), "a path": "a/b", "a parent": "..", "a dot": ".", "a query": "a?version=1",
		"a blank": "a b", "nothing": "", "a letter beyond ASCII": "sеcret", "an id in braces": "{" + h.secretID + "}", "a URN": "urn:uuid:" + h.secretID,
	} {
		for path, body := range map[string]map[string]any{
			"elastic-keys": {"name": name, "algorithm": "ES256"}, "aliases": {"name": name, "key": h.secretID},
		} {
			s.call(t, h.token, http.MethodPost, path, body).refused(t, http.StatusBadRequest, "validation_failed", path+": "+what)
		}
		s.call(t, h.token, http.MethodPatch, "elastic-keys/"+h.secret, map[string]any{"name": name}).
			refusedOneOf(t, "validation_failed", "unknown_member")
	}
	// One name space: an alias takes no key's name, and the other way round.
	s.call(t, h.token, http.MethodPost, "aliases", map[string]any{"name": h.signerName, "key": h.secretID}).refusedOneOf(t, "conflict", "name_taken")
	s.call(t, h.token, http.MethodPost, "elastic-keys", map[string]any{"name": h.alias, "algorithm": "ES256"}).refusedOneOf(t, "conflict", "name_taken")
	for what, key := range map[string]string{"another tenant's key": foreign, "its name": "foreign", "a kid": h.secretID + ".1"} {
		s.call(t, h.token, http.MethodPost, "aliases", map[string]any{"name": "reach", "key": key}).refusedOneOf(t, notFound, "validation_failed")
		s.call(t, h.token, http.MethodPatch, "aliases/"+h.alias, map[string]any{"key": key}).refusedOneOf(t, notFound, "validation_failed")
		s.call(t, h.token, http.MethodPost, pathOf(key, "encrypt"), map[string]any{"plaintext": ""}).refused(t, http.StatusNotFound, notFound, what)
	}
	// A name that looks like a version of a key is a name, and no `kid` finds it.
	s.create(t, h.token, "payroll.1", "A256GCM/A256KW")
	s.create(t, h.token, "payroll", "A256GCM/A256KW")
	sealed := s.post(t, h.token, "elastic-keys/payroll.1/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
	for _, kid := range []string{"payroll.1", "payroll.1.1"} {
		for _, key := range []string{"payroll", "payroll.1"} {
			s.call(t, h.token, http.MethodPost, pathOf(key, "decrypt"), map[string]any{"ciphertext": readdress(t, sealed, kid)}).
				refused(t, http.StatusBadRequest, "decryption_failed", kid)
		}
	}
}

// An alias that moves while it is used stands for one of the two keys at each moment, in all of a request: what was made under it is the key's that
// the answer names, and opens under that one alone.
func TestAttack_AliasesThatMoveDuringUse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		keys := []string{s.create(t, token, "one", "A256GCM/A256KW"), s.create(t, token, "two", "A256GCM/A256KW")}
		s.post(t, token, "aliases", map[string]any{"name": "moving", "key": keys[0]})
		const workers, moves = 3, 10
		var group sync.WaitGroup
		var over atomic.Bool
		made, failures := make([][]answer, workers), make([]error, workers)
		items := map[string]any{"items": []any{map[string]any{"plaintext": "aGVsbG8"}, map[string]any{"plaintext": "aGVsbG8"}, map[string]any{"plaintext": "aGVsbG8"}}}
		for i := range workers {
			group.Go(func() {
				for !over.Load() {
					got, err := s.exchange(s.request(t, token, http.MethodPost, "elastic-keys/moving/encrypt-batch", items))
					if err == nil && got.status != http.StatusOK {
						err = fmt.Errorf("%d %s", got.status, got.body)
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
			tag := s.get(t, token, "aliases/moving").header.Get("ETag")
			moved := s.call(t, token, http.MethodPatch, "aliases/moving", map[string]any{"key": keys[i%2]}, "If-Match", tag)
			assert.Equal(t, http.StatusOK, moved.status, "%s", moved.body)
			s.post(t, token, "elastic-keys/moving/encrypt", map[string]any{"plaintext": ""}) // the others get on too
		}
		over.Store(true)
		group.Wait()
		used := map[string]int{}
		for i := range workers {
			require.NoError(t, failures[i])
			for _, got := range made[i] {
				for _, result := range got.results(t) {
					id, message := result["elastic_key_id"].(string), result["ciphertext"].(string)
					require.Contains(t, keys, id)
					assert.Equal(t, id+".1", protected(t, message)["kid"])
					used[id]++
				}
			}
		}
		require.NotEmpty(t, made[0])
		for _, result := range made[0][len(made[0])-1].results(t) {
			for _, key := range keys {
				got := s.call(t, token, http.MethodPost, pathOf(key, "decrypt"), map[string]any{"ciphertext": result["ciphertext"]})
				if key == result["elastic_key_id"] {
					assert.Equal(t, http.StatusOK, got.status, "%s", got.body)
				} else {
					got.refused(t, http.StatusBadRequest, "decryption_failed", "the other key")
				}
			}
		}
		assert.Len(t, used, 2, "it moved meanwhile")
	})
}

// Items of a batch are about the key in the path alone.
func TestAttack_BatchesThatMixKeysAndTenants(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	s.tenant(t, "acme")
	other := newHolding(t, s, "acme", s.token(t, "acme", "token", "kms:admin"))
	s.create(t, h.token, "second", "A256GCM/A256KW")
	second := s.post(t, h.token, "elastic-keys/second/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
	type item struct {
		body   map[string]any
		status int
		code   string
	}
	reencrypt := func(more map[string]any) map[string]any {
		return merge(map[string]any{"ciphertext": h.ciphertext}, more)
	}
	for verb, items := range map[string][]item{
		"decrypt": {
			{map[string]any{"ciphertext": h.ciphertext}, 200, ""},
			{map[string]any{"ciphertext": second}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": other.ciphertext}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": h.ciphertext, "key": "second"}, 400, "unknown_member"},
			{map[string]any{"ciphertext": h.ciphertext, "tenant": "acme"}, 400, "unknown_member"},
			{map[string]any{"ciphertext": h.wrapped}, 200, ""},
			{map[string]any{"ciphertext": h.jws}, 400, "decryption_failed"},
		},
		"unwrap": {{map[string]any{"wrapped": h.wrapped}, 200, ""}, {map[string]any{"wrapped": other.wrapped}, 400, "decryption_failed"}, {map[string]any{"wrapped": h.ciphertext}, 400, "decryption_failed"}},
		"reencrypt": {
			{reencrypt(map[string]any{"target": "second"}), 200, ""},
			{reencrypt(map[string]any{"target": other.secretID}), 404, notFound},
			{reencrypt(map[string]any{"target": other.secretName}), 404, notFound},
			{reencrypt(map[string]any{"target": h.signer}), 409, "wrong_key_use"},
			{map[string]any{"ciphertext": other.ciphertext, "target": h.secret}, 400, "decryption_failed"},
			{map[string]any{"ciphertext": second, "target": h.secret}, 400, "decryption_failed"},
			{reencrypt(map[string]any{"target": h.secretID + ".1"}), 404, notFound},
		},
		"verify": {{map[string]any{"signature": h.jws}, 200, ""}, {map[string]any{"signature": other.jws}, 200, "not valid"}, {map[string]any{"signature": h.ciphertext}, 200, "not valid"}},
	} {
		key, _ := h.keyed(verb)
		var bodies []any
		for _, item := range items {
			bodies = append(bodies, item.body)
		}
		for i, result := range s.post(t, h.token, pathOf(key, verb+"-batch"), map[string]any{"items": bodies}).results(t) {
			what := fmt.Sprintf("%s %d", verb, i)
			if items[i].status != http.StatusOK {
				refusedItem(t, result, items[i].status, items[i].code, what)
				continue
			}
			assert.Equal(t, items[i].code, codeOf(int(result["status"].(float64)), result), "%s: %v", what, result)
		}
		// The same under another tenant's path is nobody's, whatever the items hold.
		s.call(t, other.token, http.MethodPost, pathOf(key, verb+"-batch"), map[string]any{"items": bodies}).refused(t, http.StatusNotFound, notFound, verb)
	}
}

// A body is what its media type says, and an operation takes those of the document alone.
func TestAttack_OctetsUnderOtherMediaTypes(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	for _, f := range h.forms(t) {
		if f.batch || f.octets != nil {
			continue
		}
		for _, mediaType := range []string{"text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/jwt", "*/*", "x"} {
			s.octets(t, h.token, f.path, mediaType, []byte("hello")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+" of "+mediaType)
		}
		takes := f.verb == "encrypt" || f.verb == "decrypt" || f.verb == "sign" || f.verb == "verify"
		for _, mediaType := range []string{octetStream, jose} {
			s.octets(t, h.token, f.path+"-batch", mediaType, []byte("hello")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+"-batch of "+mediaType)
			if !takes {
				s.octets(t, h.token, f.path, mediaType, []byte("hello")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", f.String()+" of "+mediaType)
			}
		}
		s.octets(t, h.token, f.path, "application/json", []byte("hello")).refusedOneOf(t, "malformed_json", "bad_request", "validation_failed")
	}
	// JSON that says it is octets is octets, and none of it is obeyed.
	body := []byte(`{"plaintext":"aGVsbG8"}`)
	sealed := s.octets(t, h.token, pathOf(h.secret, "encrypt"), octetStream, body)
	opened := s.octets(t, h.token, pathOf(h.secret, "decrypt"), jose, sealed.body)
	assert.Equal(t, body, opened.body)
	for what, message := range map[string][]byte{"a JSON body": []byte(`{"ciphertext":"` + h.ciphertext + `"}`), "zeros": make([]byte, 100), "a JWS": []byte(h.jws), "a line more": append([]byte(h.ciphertext), '\n')} {
		s.octets(t, h.token, pathOf(h.secret, "decrypt"), jose, message).refused(t, http.StatusBadRequest, "decryption_failed", what)
	}
	s.octets(t, h.token, pathOf(h.secret, "decrypt"), jose, bytes.Repeat([]byte("A"), 200<<10)).refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "oversized")
	s.octets(t, h.token, pathOf(h.secret, "encrypt"), octetStream+"; charset=x", []byte("x")).
		refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", "octets have no charset")
}
