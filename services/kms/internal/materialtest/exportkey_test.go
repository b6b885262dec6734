package materialtest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// trusted runs test with a service and its administrator, whose certificate steps up.
func trusted(t *testing.T, test func(t *testing.T, s, root *kmstest.Service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			certificate := kmstest.Administer(t, &cfg)
			s := kmstest.Run(t, cfg, files)
			test(t, s, s.As(t, certificate))
		})
	}
}

func TestExport_GivesTheKeyToItsRecipientAlone(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *kmstest.Service) {
		for _, algorithm := range []string{"ES256", "Ed25519", "HS256", "A256GCM/A256KW", "A256GCM/ECDH-ES"} {
			id := root.Exportable(t, strings.ToLower(strings.ReplaceAll(algorithm, "/", "-")), algorithm)
			for _, to := range []struct {
				algorithm, curve string
				size             int
			}{{"ECDH-ES+A256KW", "P-384", 0}, {"RSA-OAEP-256", "", 3072}} {
				if to.size != 0 && algorithm != "ES256" {
					continue // generating RSA keys takes long
				}
				private, public := kmstest.Recipient(t, to.algorithm, to.size, to.curve)
				got := root.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).Done(t, http.StatusOK)
				assert.Equal(t, id+".1", got.Member(t, "kid"))
				text, header, err := jwe.Decrypt(private, got.Member(t, "jwe"), jwe.Expect{Encryption: "A256GCM"})
				require.NoError(t, err, algorithm)
				assert.Equal(t, "jwk+json", header.ContentType)
				own, err := jwk.Parse(text)
				require.NoError(t, err)
				assert.True(t, own.IsPrivate())
				assert.Equal(t, id+".1", own.ID)
				worksLike(t, s, s.Operator(t), id, own)
			}
		}
	})
}

// An export of one instance, made for an import job of another, is the wrapped material of that import.
func TestExport_AnotherInstanceImportsIt(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *kmstest.Service) {
		cfg, files := kmstest.Prepare(t, dbtest.Engines()[0])
		other := kmstest.Run(t, cfg, files)
		token := other.Operator(t)
		id := root.Exportable(t, "moving", "ES256")
		signed := root.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).
			Done(t, http.StatusOK).Member(t, "signature")

		there := other.Importable(t, token, "moved", "ES256")
		job := other.ImportJob(t, token, there, kmstest.MethodECDH)
		var wrapping struct {
			JWK json.RawMessage `json:"jwk"`
		}
		require.NoError(t, json.Unmarshal(job.Raw(t, "public_key"), &wrapping))
		left := root.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": wrapping.JWK}).Done(t, http.StatusOK)
		other.Post(t, token, "elastic-keys/"+there+"/import", map[string]any{"job": job.Member(t, "token"), "wrapped_material": left.Member(t, "jwe")})
		verdict := other.Post(t, token, "elastic-keys/moved/verify", map[string]any{
			"signature": signed, "payload": "aGVsbG8", "input": "message", "format": "der",
		})
		assert.Equal(t, true, verdict.Object(t)["valid"], "what one has signed the other verifies")
	})
}

func TestExport_RefusesWhatIsNotToLeave(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *kmstest.Service) {
		_, public := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		ask := map[string]any{"recipient": public}
		id := root.Exportable(t, "leaving", "ES256")
		path := "elastic-keys/" + id
		s.Call(t, s.Operator(t), http.MethodPost, path+"/export", ask).Refused(t, http.StatusUnauthorized, "step_up_required", "by a token")
		reader := s.Token(t, "default", "reader", "kms:read", "kms:write")
		s.Call(t, reader, http.MethodPost, path+"/export", ask).Refused(t, http.StatusForbidden, "insufficient_scope", "without the scope")

		root.Ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": "staying", "algorithm": "ES256"}).Done(t, http.StatusCreated)
		root.Call(t, "", http.MethodPost, "elastic-keys/staying/export", ask).Refused(t, http.StatusForbidden, "not_exportable", "not made so")
		root.Call(t, "", http.MethodPost, path+"/export", map[string]any{"recipient": public, "version": 2}).
			Refused(t, http.StatusNotFound, "not_found", "no such version")

		foreign := root.Ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "foreign", "algorithm": "ES256", "origin": "imported", "exportable": true,
		}).Done(t, http.StatusCreated).Member(t, "id")
		verifier := s.Get(t, reader, path+"/public-key").Raw(t, "jwk")
		root.Call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/export", ask).RefusedOneOf(t, "invalid_state")
		root.Call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/import", map[string]any{"public_key": kmstest.Bare(t, verifier)}).Done(t, http.StatusCreated)
		root.Call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/export", ask).Refused(t, http.StatusConflict, "no_private_key", "a public key alone")

		root.Call(t, "", http.MethodPost, path+"/disable", nil).Done(t, http.StatusOK)
		root.Call(t, "", http.MethodPost, path+"/export", ask).Refused(t, http.StatusConflict, "invalid_state", "disabled")
		root.Call(t, "", http.MethodPost, path+"/enable", nil).Done(t, http.StatusOK)
		root.Call(t, "", http.MethodPost, path+"/rotate", nil).Done(t, http.StatusCreated)
		root.Call(t, "", http.MethodPost, path+"/material-keys/1/disable", nil).Done(t, http.StatusOK)
		root.Call(t, "", http.MethodPost, path+"/export", map[string]any{"recipient": public, "version": 1}).
			Refused(t, http.StatusConflict, "invalid_state", "a disabled version")
	})
}

func TestExport_RefusesRecipientsThatProtectNothing(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *kmstest.Service) {
		path := "elastic-keys/" + root.Exportable(t, "leaving", "ES256") + "/export"
		own, _ := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		private, err := own.MarshalPrivate()
		require.NoError(t, err)
		_, short := kmstest.Recipient(t, "RSA-OAEP-256", 2048, "")
		signer, _ := kmstest.Generated(t, "ES256")
		signing, err := signer.MarshalPublic()
		require.NoError(t, err)
		edwards, _ := kmstest.Generated(t, "Ed25519")
		signature, err := edwards.MarshalPublic()
		require.NoError(t, err)
		_, direct := kmstest.Recipient(t, "ECDH-ES", 0, "P-256")
		_, weaker := kmstest.Recipient(t, "ECDH-ES+A128KW", 0, "P-256")
		for what, key := range map[string]json.RawMessage{
			"a private key":        private,
			"RSA of 2048 bits":     short,
			"a key that signs":     signing,
			"Ed25519":              signature,
			"ECDH-ES alone":        direct,
			"another key wrapping": weaker,
			"a symmetric key":      json.RawMessage(`{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`),
			"a point off the curve": json.RawMessage(
				`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}`),
			"nothing": json.RawMessage(`{}`),
		} {
			root.Call(t, "", http.MethodPost, path, map[string]any{"recipient": key}).Refused(t, http.StatusBadRequest, "invalid_recipient", what)
		}
	})
}

func TestExport_IsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *kmstest.Service) {
		id := root.Exportable(t, "leaving", "ES256")
		to, public := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		got := root.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).Done(t, http.StatusOK)
		var events []map[string]any
		require.Eventually(t, func() bool {
			events = root.TrailOf(t, got)
			return len(events) > 0
		}, 10*time.Second, 10*time.Millisecond)
		require.Len(t, events, 1)
		assert.Equal(t, "key.export", events[0]["action"])
		assert.Equal(t, id, events[0]["object"].(map[string]any)["id"])
		text, err := json.Marshal(events[0])
		require.NoError(t, err)
		assert.Contains(t, string(text), to.ThumbprintSHA256())
		assert.NotContains(t, string(text), got.Member(t, "jwe"))
	})
}

func TestAttestation_VerifiesWithThePublicKeysAlone(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *kmstest.Service) {
		token := s.Operator(t)
		assert.Empty(t, s.PublicSet(t, "/kms/attestation-keys.json").Kids(t))
		id := root.Exportable(t, "signer", "ES256")
		s.Post(t, token, "elastic-keys/signer/rotate", nil)
		s.Create(t, token, "secret", "A256GCM/dir")
		public := s.Get(t, token, "elastic-keys/signer/public-key?version=1").Raw(t, "jwk")
		key, err := jwk.Parse(public)
		require.NoError(t, err)

		got := s.Get(t, token, "elastic-keys/signer/attestation?version=1")
		set, err := jwk.ParseSet(s.PublicSet(t, "/t/default/kms/attestation-keys.json").Body)
		require.NoError(t, err)
		require.Len(t, set.Keys, 1)
		assert.Equal(t, "Ed25519", set.Keys[0].Algorithm)
		payload, header, err := jws.Verify(set.Keys[0], got.Member(t, "attestation"), jws.Expect{Type: "cu-attestation+jws"})
		require.NoError(t, err)
		assert.Equal(t, set.Keys[0].ID, header.KeyID)
		var said map[string]any
		require.NoError(t, json.Unmarshal(payload, &said))
		made, err := time.Parse(time.RFC3339, said["created_at"].(string))
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), made, time.Hour)
		assert.WithinDuration(t, time.Now(), time.Unix(int64(said["iat"].(float64)), 0), time.Minute)
		delete(said, "created_at")
		delete(said, "iat")
		assert.NotEmpty(t, said["service_version"])
		delete(said, "service_version")
		assert.Equal(t, map[string]any{
			"tenant": "default", "elastic_key_id": id, "kid": id + ".1", "version": 1.0, "algorithm": "ES256", "curve": "P-256", "use": "sign",
			"origin": "generated", "exportable": true, "jwk_thumbprint": key.ThumbprintSHA256(),
			"fips_module": "Go Cryptographic Module", "fips_module_version": fips.Module(),
		}, said)

		// The key of statements is one, on every replica, and is the tenant's own.
		again := s.Get(t, token, "elastic-keys/secret/attestation")
		payload, _, err = jws.Verify(set.Keys[0], again.Member(t, "attestation"), jws.Expect{Type: "cu-attestation+jws"})
		require.NoError(t, err)
		assert.NotContains(t, string(payload), "thumbprint")
		s.Tenant(t, "acme")
		acme := s.Token(t, "acme", "token", "kms:admin")
		s.Create(t, acme, "signer", "ES256")
		theirs := s.Get(t, acme, "elastic-keys/signer/attestation").Member(t, "attestation")
		_, _, err = jws.Verify(set.Keys[0], theirs, jws.Expect{})
		require.ErrorIs(t, err, jws.ErrVerification)
		assert.NotEqual(t, s.Get(t, token, "attestation-keys").Kids(t), s.Get(t, acme, "attestation-keys").Kids(t))
	})
}

// A quorum's approval is for one version and one recipient, once, and stands in for the fresh authentication; without it nobody exports.
func TestExport_TakesTheQuorumsApproval(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		id := c.First.Exportable(t, "leaving", "ES256")
		tag := c.First.Ask(t, http.MethodGet, "elastic-keys/"+id, nil).Done(t, http.StatusOK).Header.Get("ETag")
		c.First.Ask(t, http.MethodPatch, "elastic-keys/"+id, map[string]any{
			"policy": map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.IDs["anna"], c.IDs["ben"], c.IDs["carl"]}}},
		}, "If-Match", tag, "Content-Type", "application/merge-patch+json").Done(t, http.StatusOK)
		c.Token = c.First.Token(t, "default", "exporter", "kms:export", "kms:read")
		to, public := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		_, another := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		ask := func(key json.RawMessage, approval string) kmstest.Answer {
			return c.First.Call(t, c.Token, http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": key}, "Approval", approval)
		}
		ask(public, "").Refused(t, http.StatusUnauthorized, "step_up_required", "a token without an approval")
		c.First.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).
			RefusedOneOf(t, "approval_required")

		parameters := map[string]any{"version": 1, "recipient": to.ThumbprintSHA256()}
		approval := c.Approved(t, "exportElasticKey", id, parameters)
		ask(another, approval).RefusedOneOf(t, "approval_not_usable")
		got := ask(public, approval).Done(t, http.StatusOK)
		_, _, err := jwe.Decrypt(to, got.Member(t, "jwe"), jwe.Expect{})
		require.NoError(t, err)
		ask(public, approval).RefusedOneOf(t, "approval_not_usable", "step_up_required")
	})
}
