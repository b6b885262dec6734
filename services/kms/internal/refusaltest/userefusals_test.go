package refusaltest_test

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// change changes settings of a key.
func change(t testing.TB, s *kmstest.Service, key string, settings map[string]any) kmstest.Answer {
	t.Helper()
	path := "elastic-keys/" + key
	tag := s.Call(t, "", http.MethodGet, path, nil).Header.Get("ETag")
	return s.Call(t, "", http.MethodPatch, path, settings, "If-Match", tag)
}

// A policy's operations, clients and roles hold for every form of every operation on every replica, and for no other operation.
func TestPolicies_HoldForEveryUse(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		h := kmstest.KeysForUses(t, c.First, "", "policy", func(name, algorithm string) string {
			return c.First.Made(t, name, map[string]any{"algorithm": algorithm})
		})
		forms := h.Forms(t)
		verbs := map[string][]string{} // by key
		for _, f := range forms {
			key := f.Key()
			if !slices.Contains(verbs[key], f.Verb) {
				verbs[key] = append(verbs[key], f.Verb)
			}
		}
		for key, own := range verbs {
			for _, verb := range own {
				others := slices.DeleteFunc(slices.Clone(own), func(v string) bool { return v == verb })
				if len(others) == 0 {
					continue // a list of none is no list
				}
				change(t, c.First, key, map[string]any{"policy": map[string]any{"operations": others}}).Done(t, http.StatusOK)
				began := time.Now()
				for _, f := range forms {
					if f.Verb == verb {
						c.Settles(t, f, "", f.Normally(false), f.All("policy_refused"), began, "a policy without "+verb)
					}
				}
				for _, f := range forms {
					if f.Verb != verb && f.Key() == key {
						assert.Equal(t, f.Normally(false), f.Codes(t, c.Second, ""), "%s is not %s", f, verb)
					}
				}
			}
			change(t, c.First, key, map[string]any{"policy": nil}).Done(t, http.StatusOK)
		}
		for what, policy := range map[string]map[string]any{
			"other clients": {"clients": []string{"somebody-else"}}, "other roles": {"roles": []string{"keeper"}},
			"the client and a role": {"clients": []string{"root.example"}, "roles": []string{"keeper"}},
		} {
			for _, key := range h.Keys() {
				change(t, c.First, key, map[string]any{"policy": policy}).Done(t, http.StatusOK)
			}
			began := time.Now()
			for _, f := range forms {
				token := map[bool]string{true: c.Override}[what == "the client and a role"]
				c.Settles(t, f, token, f.Normally(false), f.All("policy_refused"), began, what)
			}
		}
	})
}

// What reads is refused below the floor in every form, on every replica; the primary version cannot be below one.
func TestMinima_HoldForEveryUse(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		h := c.Keys(t, "floor")
		below := kmstest.StateChange{Reads: "version_below_minimum", Override: "version_below_minimum"}
		forms := h.Forms(t)
		for _, key := range h.Keys() {
			c.First.Post(t, "", "elastic-keys/"+key+"/rotate", nil)
			for _, f := range forms {
				if f.Key() == key {
					c.Settles(t, f, "", f.Normally(false), f.Normally(true), time.Now(), "two versions")
				}
			}
			change(t, c.First, key, map[string]any{"min_encrypt_version": 3}).Refused(t, http.StatusBadRequest, "validation_failed", "above the primary version")
			change(t, c.First, key, map[string]any{"min_decrypt_version": 2, "min_encrypt_version": 1}).
				Refused(t, http.StatusBadRequest, "validation_failed", "what is made could not be read")
			change(t, c.First, key, map[string]any{"min_decrypt_version": 2, "min_encrypt_version": 2}).Done(t, http.StatusOK)
			began := time.Now()
			for _, f := range forms {
				if f.Key() == key {
					c.Settles(t, f, "", f.Normally(true), f.Wanted(below, true, false), began, "below the floor")
				}
			}
			for _, s := range []*kmstest.Service{c.First, c.Second} {
				s.Call(t, "", http.MethodPost, "elastic-keys/"+key+"/material-keys/1/set-primary", nil).
					Refused(t, http.StatusConflict, kmstest.InvalidState, "a primary version below the floor")
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
			cfg, files := kmstest.Prepare(t, engine)
			certificate := kmstest.Administer(t, &cfg)
			s := kmstest.Run(t, cfg, files).As(t, certificate)
			h := kmstest.KeysForUses(t, s, "", "trail", func(name, algorithm string) string {
				return s.Made(t, name, map[string]any{"algorithm": algorithm})
			})
			override := s.Token(t, "default", "override", "kms:admin", "kms:use-compromised")
			alone := s.Token(t, "default", "alone", "kms:use-compromised")
			for _, key := range h.Keys() {
				s.Post(t, "", "elastic-keys/"+key+"/rotate", nil)
				s.Post(t, "", "elastic-keys/"+key+"/material-keys/1/mark-compromised", nil)
			}
			want := map[string]float64{}
			for _, f := range h.Forms(t) {
				codes := f.Codes(t, s, override)
				for i, body := range f.Bodies {
					if !f.OfPrimary(body) {
						require.Empty(t, codes[i], "%s", f)
						want[f.Key()+" "+operationOf(t, f.Verb)+"-compromised"]++
					}
				}
				for _, code := range f.Codes(t, s, alone) {
					assert.Equal(t, "insufficient_scope", code, "%s: the scope allows nothing by itself", f)
				}
			}
			require.Len(t, want, 7, "everything that reads")
			require.Eventually(t, func() bool {
				got := map[string]float64{}
				for _, item := range s.Ask(t, http.MethodGet, "audit/events?limit=1000&newest=true", nil).Done(t, http.StatusOK).Items(t) {
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
	for _, op := range kmstest.Operations(t) {
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
	s, other := kmstest.Fixture(t)
	token := other.Token
	h := kmstest.KeysForUses(t, s, token, "purpose", func(name, algorithm string) string { return s.Create(t, token, name, algorithm) })
	h.Token = token
	for _, f := range h.Forms(t) {
		own := f.Key()
		for _, key := range h.Keys() {
			if key == own || key == h.MACKey && own == h.Signer { // what signs is also a MAC's
				continue
			}
			moved := f
			moved.Path = strings.Replace(f.Path, own, key, 1)
			assert.Equal(t, f.All("wrong_key_use"), moved.Codes(t, s, token), "%s with a key for something else", f)
		}
	}
}

// A public key alone does what takes no private part, in every form.
func TestPublicKeyAlone_DoesWhatTakesNoPrivatePart(t *testing.T) {
	t.Parallel()
	s, other := kmstest.Fixture(t)
	token := other.Token
	pairs := map[string]string{"ES256": "ES256", "ML-KEM-768": "ML-KEM-768", "A256GCM/A256KW": "A256GCM/ECDH-ES+A256KW", "HS256": "", "HKDF-SHA256": ""}
	whole, alone := map[string]string{}, map[string]string{}
	h := kmstest.KeysForUses(t, s, token, "whole", func(name, algorithm string) string {
		if pair := pairs[algorithm]; pair != "" {
			algorithm = pair
		}
		whole[name] = s.Create(t, token, name, algorithm)
		return whole[name]
	})
	for name, id := range whole {
		if strings.HasSuffix(name, "-mac") || strings.HasSuffix(name, "-derive") {
			continue
		}
		algorithm := s.Get(t, token, "elastic-keys/"+id).Member(t, "algorithm")
		alone[id] = s.Importable(t, token, strings.Replace(name, "whole", "alone", 1), algorithm)
		public := kmstest.Bare(t, s.Get(t, token, "elastic-keys/"+id+"/public-key").Raw(t, "jwk"))
		s.Post(t, token, "elastic-keys/"+alone[id]+"/import", map[string]any{"public_key": public})
	}
	private := []string{"decrypt", "reencrypt", "unwrap", "sign", "decapsulate"}
	seen := 0
	for _, f := range h.Forms(t) {
		id := alone[f.Key()]
		if id == "" {
			continue
		}
		f.Path = strings.Replace(f.Path, f.Key(), id, 1)
		for i, body := range f.Bodies { // messages name the version that is asked
			f.Bodies[i] = readdressed(t, body, id+".1")
		}
		want := f.Normally(false)
		if slices.Contains(private, f.Verb) {
			want = f.All("no_private_key")
		}
		if f.Verb == "verify" { // a JWS that names another key is not the imported one's, whatever it holds
			want[0] = "not valid"
		}
		if f.Octets != nil && (f.Verb == "decrypt" || f.Verb == "verify") {
			f.Octets = []byte(kmstest.Readdress(t, string(f.Octets), id+".1"))
		}
		assert.Equal(t, want, f.Codes(t, s, token), "%s", f)
		seen++
	}
	assert.Greater(t, seen, 20)
	peer := s.Importable(t, token, "peer", "ECDH")
	made := s.Create(t, token, "own", "ECDH")
	public := s.Get(t, token, "elastic-keys/"+made+"/public-key").Raw(t, "jwk")
	s.Post(t, token, "elastic-keys/"+peer+"/import", map[string]any{"public_key": kmstest.Bare(t, public)})
	s.Call(t, token, http.MethodPost, "elastic-keys/"+peer+"/derive", map[string]any{"peer": public}).Refused(t, http.StatusConflict, "no_private_key", "derive")
	for _, verb := range []string{"backup", "attestation", "material-keys", "public-key"} {
		if verb != "backup" {
			s.Get(t, token, fmt.Sprintf("elastic-keys/%s/%s", peer, verb))
		}
	}
}
