package kms_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// all are the codes of a form whose bodies are all answered alike.
func (f form) all(code string) []string { return slices.Repeat([]string{code}, len(f.bodies)) }

// change changes settings of a key.
func (s *service) change(t testing.TB, key string, settings map[string]any) answer {
	t.Helper()
	path := "elastic-keys/" + key
	tag := s.call(t, "", http.MethodGet, path, nil).header.Get("ETag")
	return s.call(t, "", http.MethodPatch, path, settings, "If-Match", tag)
}

// A policy's operations, clients and roles hold for every form of every operation on every replica, and for no other operation.
func TestPolicies_HoldForEveryUse(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		h := keysForUses(t, c.first, "", "policy", func(name, algorithm string) string {
			return c.first.made(t, name, map[string]any{"algorithm": algorithm})
		})
		forms := h.forms(t)
		verbs := map[string][]string{} // by key
		for _, f := range forms {
			key := f.key()
			if !slices.Contains(verbs[key], f.verb) {
				verbs[key] = append(verbs[key], f.verb)
			}
		}
		for key, own := range verbs {
			for _, verb := range own {
				others := slices.DeleteFunc(slices.Clone(own), func(v string) bool { return v == verb })
				if len(others) == 0 {
					continue // a list of none is no list
				}
				c.first.change(t, key, map[string]any{"policy": map[string]any{"operations": others}}).done(t, http.StatusOK)
				began := time.Now()
				for _, f := range forms {
					if f.verb == verb {
						c.settles(t, f, "", f.normally(false), f.all("policy_refused"), began, "a policy without "+verb)
					}
				}
				for _, f := range forms {
					if f.verb != verb && f.key() == key {
						assert.Equal(t, f.normally(false), f.codes(t, c.second, ""), "%s is not %s", f, verb)
					}
				}
			}
			c.first.change(t, key, map[string]any{"policy": nil}).done(t, http.StatusOK)
		}
		for what, policy := range map[string]map[string]any{
			"other clients": {"clients": []string{"somebody-else"}}, "other roles": {"roles": []string{"keeper"}},
			"the client and a role": {"clients": []string{"root.example"}, "roles": []string{"keeper"}},
		} {
			for _, key := range h.keys() {
				c.first.change(t, key, map[string]any{"policy": policy}).done(t, http.StatusOK)
			}
			began := time.Now()
			for _, f := range forms {
				token := map[bool]string{true: c.override}[what == "the client and a role"]
				c.settles(t, f, token, f.normally(false), f.all("policy_refused"), began, what)
			}
		}
	})
}

// What reads is refused below the floor in every form, on every replica; the primary version cannot be below one.
func TestMinima_HoldForEveryUse(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		h := c.keys(t, "floor")
		below := statechange{reads: "version_below_minimum", override: "version_below_minimum"}
		forms := h.forms(t)
		for _, key := range h.keys() {
			c.first.post(t, "", "elastic-keys/"+key+"/rotate", nil)
			for _, f := range forms {
				if f.key() == key {
					c.settles(t, f, "", f.normally(false), f.normally(true), time.Now(), "two versions")
				}
			}
			c.first.change(t, key, map[string]any{"min_encrypt_version": 3}).refused(t, http.StatusBadRequest, "validation_failed", "above the primary version")
			c.first.change(t, key, map[string]any{"min_decrypt_version": 2, "min_encrypt_version": 1}).
				refused(t, http.StatusBadRequest, "validation_failed", "what is made could not be read")
			c.first.change(t, key, map[string]any{"min_decrypt_version": 2, "min_encrypt_version": 2}).done(t, http.StatusOK)
			began := time.Now()
			for _, f := range forms {
				if f.key() == key {
					c.settles(t, f, "", f.normally(true), f.wanted(below, true, false), began, "below the floor")
				}
			}
			for _, s := range []*service{c.first, c.second} {
				s.call(t, "", http.MethodPost, "elastic-keys/"+key+"/material-keys/1/set-primary", nil).
					refused(t, http.StatusConflict, invalidState, "a primary version below the floor")
			}
		}
	})
}

// What a compromised version has made is read with the scope for it alone, and every such use is in the trail by a name of its own.
func TestCompromised_ItsUsesAreInTheTrail(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			certificate := administer(t, &cfg)
			s := run(t, cfg, files).as(t, certificate)
			h := keysForUses(t, s, "", "trail", func(name, algorithm string) string {
				return s.made(t, name, map[string]any{"algorithm": algorithm})
			})
			override := s.token(t, "default", "override", "kms:admin", "kms:use-compromised")
			alone := s.token(t, "default", "alone", "kms:use-compromised")
			for _, key := range h.keys() {
				s.post(t, "", "elastic-keys/"+key+"/rotate", nil)
				s.post(t, "", "elastic-keys/"+key+"/material-keys/1/mark-compromised", nil)
			}
			want := map[string]float64{}
			for _, f := range h.forms(t) {
				codes := f.codes(t, s, override)
				for i, body := range f.bodies {
					if !f.ofPrimary(body) {
						require.Empty(t, codes[i], "%s", f)
						want[f.key()+" "+operationOf(t, f.verb)+"-compromised"]++
					}
				}
				for _, code := range f.codes(t, s, alone) {
					assert.Equal(t, "insufficient_scope", code, "%s: the scope allows nothing by itself", f)
				}
			}
			require.Len(t, want, 7, "everything that reads")
			require.Eventually(t, func() bool {
				got := map[string]float64{}
				for _, item := range s.ask(t, http.MethodGet, "audit/events?limit=1000&newest=true", nil).done(t, http.StatusOK).items(t) {
					event := item["event"].(map[string]any)
					action, _ := event["action"].(string)
					if !strings.HasSuffix(action, "-compromised") || action == "version.mark-compromised" {
						continue
					}
					assert.Equal(t, "allowed", event["outcome"])
					assert.Equal(t, map[string]any{"kind": "api_token", "id": "override"}, event["actor"])
					object := event["object"].(map[string]any)
					assert.InDelta(t, 1, object["version"], 0)
					count, counted := event["count"].(float64)
					if !counted {
						count = 1
					}
					got[object["id"].(string)+" "+action] += count
				}
				return assert.ObjectsAreEqual(want, got)
			}, 20*time.Second, 50*time.Millisecond, "%v", want)
		})
	}
}

// operationOf is the operationId of a verb.
func operationOf(t testing.TB, verb string) string {
	t.Helper()
	for _, op := range operations(t) {
		if op.Path == "/elastic-keys/{id}/"+verb {
			return op.ID
		}
	}
	require.Fail(t, verb)
	return ""
}

// A key does what it is for in every form, and nothing else.
func TestPurpose_HoldsForEveryUse(t *testing.T) {
	t.Parallel()
	s, other := fixture(t)
	token := other.token
	h := keysForUses(t, s, token, "purpose", func(name, algorithm string) string { return s.create(t, token, name, algorithm) })
	h.token = token
	for _, f := range h.forms(t) {
		own := f.key()
		for _, key := range h.keys() {
			if key == own || key == h.macKey && own == h.signer { // what signs is also a MAC's
				continue
			}
			moved := f
			moved.path = strings.Replace(f.path, own, key, 1)
			assert.Equal(t, f.all("wrong_key_use"), moved.codes(t, s, token), "%s with a key for something else", f)
		}
	}
}

// A public key alone does what takes no private part, in every form.
func TestPublicKeyAlone_DoesWhatTakesNoPrivatePart(t *testing.T) {
	t.Parallel()
	s, other := fixture(t)
	token := other.token
	pairs := map[string]string{"ES256": "ES256", "ML-KEM-768": "ML-KEM-768", "A256GCM/A256KW": "A256GCM/ECDH-ES+A256KW", "HS256": "", "HKDF-SHA256": ""}
	whole, alone := map[string]string{}, map[string]string{}
	h := keysForUses(t, s, token, "whole", func(name, algorithm string) string {
		if pair := pairs[algorithm]; pair != "" {
			algorithm = pair
		}
		whole[name] = s.create(t, token, name, algorithm)
		return whole[name]
	})
	for name, id := range whole {
		if strings.HasSuffix(name, "-mac") || strings.HasSuffix(name, "-derive") {
			continue
		}
		algorithm := s.get(t, token, "elastic-keys/"+id).member(t, "algorithm")
		alone[id] = s.importable(t, token, strings.Replace(name, "whole", "alone", 1), algorithm)
		public := bare(t, s.get(t, token, "elastic-keys/"+id+"/public-key").raw(t, "jwk"))
		s.post(t, token, "elastic-keys/"+alone[id]+"/import", map[string]any{"public_key": public})
	}
	private := []string{"decrypt", "reencrypt", "unwrap", "sign", "decapsulate"}
	seen := 0
	for _, f := range h.forms(t) {
		id := alone[f.key()]
		if id == "" {
			continue
		}
		f.path = strings.Replace(f.path, f.key(), id, 1)
		for i, body := range f.bodies { // messages name the version that is asked
			f.bodies[i] = readdressed(t, body, id+".1")
		}
		want := f.normally(false)
		if slices.Contains(private, f.verb) {
			want = f.all("no_private_key")
		}
		if f.verb == "verify" { // a JWS that names another key is not the imported one's, whatever it holds
			want[0] = "not valid"
		}
		if f.octets != nil && (f.verb == "decrypt" || f.verb == "verify") {
			f.octets = []byte(readdress(t, string(f.octets), id+".1"))
		}
		assert.Equal(t, want, f.codes(t, s, token), "%s", f)
		seen++
	}
	assert.Greater(t, seen, 20)
	peer := s.importable(t, token, "peer", "ECDH")
	made := s.create(t, token, "own", "ECDH")
	public := s.get(t, token, "elastic-keys/"+made+"/public-key").raw(t, "jwk")
	s.post(t, token, "elastic-keys/"+peer+"/import", map[string]any{"public_key": bare(t, public)})
	s.call(t, token, http.MethodPost, "elastic-keys/"+peer+"/derive", map[string]any{"peer": public}).refused(t, http.StatusConflict, "no_private_key", "derive")
	for _, verb := range []string{"backup", "attestation", "material-keys", "public-key"} {
		if verb != "backup" {
			s.get(t, token, fmt.Sprintf("elastic-keys/%s/%s", peer, verb))
		}
	}
}
