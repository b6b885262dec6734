package kms_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// trusted runs test with a service and its administrator, whose certificate steps up.
func trusted(t *testing.T, test func(t *testing.T, s, root *service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			certificate := administer(t, &cfg)
			s := run(t, cfg, files)
			test(t, s, s.as(t, certificate))
		})
	}
}

// recipient is a new key for key management, and its public JWK.
func recipient(t testing.TB, algorithm string, size int, curve string) (key *jwk.Key, public json.RawMessage) {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/"+algorithm, size, curve)
	require.NoError(t, err)
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = key.MarshalPublic()
	require.NoError(t, err)
	return key, public
}

func (s *service) exportable(t testing.TB, name, algorithm string) (id string) {
	t.Helper()
	return s.ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "exportable": true}).
		done(t, http.StatusCreated).member(t, "id")
}

func TestExport_GivesTheKeyToItsRecipientAlone(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *service) {
		for _, algorithm := range []string{"ES256", "Ed25519", "HS256", "A256GCM/A256KW", "A256GCM/ECDH-ES"} {
			id := root.exportable(t, strings.ToLower(strings.ReplaceAll(algorithm, "/", "-")), algorithm)
			for _, to := range []struct {
				algorithm, curve string
				size             int
			}{{"ECDH-ES+A256KW", "P-384", 0}, {"RSA-OAEP-256", "", 3072}} {
				if to.size != 0 && algorithm != "ES256" {
					continue // generating RSA keys takes long
				}
				private, public := recipient(t, to.algorithm, to.size, to.curve)
				got := root.call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).done(t, http.StatusOK)
				assert.Equal(t, id+".1", got.member(t, "kid"))
				text, header, err := jwe.Decrypt(private, got.member(t, "jwe"), jwe.Expect{Encryption: "A256GCM"})
				require.NoError(t, err, algorithm)
				assert.Equal(t, "jwk+json", header.ContentType)
				own, err := jwk.Parse(text)
				require.NoError(t, err)
				assert.True(t, own.IsPrivate())
				assert.Equal(t, id+".1", own.ID)
				s.worksLike(t, s.operator(t), id, own)
			}
		}
	})
}

// An export of one instance, made for an import job of another, is the wrapped material of that import.
func TestExport_AnotherInstanceImportsIt(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *service) {
		cfg, files := prepare(t, dbtest.Engines()[0])
		other := run(t, cfg, files)
		token := other.operator(t)
		id := root.exportable(t, "moving", "ES256")
		signed := root.call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8", "input": "message", "format": "der"}).
			done(t, http.StatusOK).member(t, "signature")

		there := other.importable(t, token, "moved", "ES256")
		job := other.importJob(t, token, there, methodECDH)
		var wrapping struct {
			JWK json.RawMessage `json:"jwk"`
		}
		require.NoError(t, json.Unmarshal(job.raw(t, "public_key"), &wrapping))
		left := root.call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": wrapping.JWK}).done(t, http.StatusOK)
		other.post(t, token, "elastic-keys/"+there+"/import", map[string]any{"job": job.member(t, "token"), "wrapped_material": left.member(t, "jwe")})
		verdict := other.post(t, token, "elastic-keys/moved/verify", map[string]any{
			"signature": signed, "payload": "aGVsbG8", "input": "message", "format": "der",
		})
		assert.Equal(t, true, verdict.object(t)["valid"], "what one has signed the other verifies")
	})
}

func TestExport_RefusesWhatIsNotToLeave(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *service) {
		_, public := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		ask := map[string]any{"recipient": public}
		id := root.exportable(t, "leaving", "ES256")
		path := "elastic-keys/" + id
		s.call(t, s.operator(t), http.MethodPost, path+"/export", ask).refused(t, http.StatusUnauthorized, "step_up_required", "by a token")
		reader := s.token(t, "default", "reader", "kms:read", "kms:write")
		s.call(t, reader, http.MethodPost, path+"/export", ask).refused(t, http.StatusForbidden, "insufficient_scope", "without the scope")

		root.ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": "staying", "algorithm": "ES256"}).done(t, http.StatusCreated)
		root.call(t, "", http.MethodPost, "elastic-keys/staying/export", ask).refused(t, http.StatusForbidden, "not_exportable", "not made so")
		root.call(t, "", http.MethodPost, path+"/export", map[string]any{"recipient": public, "version": 2}).
			refused(t, http.StatusNotFound, "not_found", "no such version")

		foreign := root.ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "foreign", "algorithm": "ES256", "origin": "imported", "exportable": true,
		}).done(t, http.StatusCreated).member(t, "id")
		verifier := s.get(t, reader, path+"/public-key").raw(t, "jwk")
		root.call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/export", ask).refusedOneOf(t, "invalid_state")
		root.call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/import", map[string]any{"public_key": bare(t, verifier)}).done(t, http.StatusCreated)
		root.call(t, "", http.MethodPost, "elastic-keys/"+foreign+"/export", ask).refused(t, http.StatusConflict, "no_private_key", "a public key alone")

		root.call(t, "", http.MethodPost, path+"/disable", nil).done(t, http.StatusOK)
		root.call(t, "", http.MethodPost, path+"/export", ask).refused(t, http.StatusConflict, "invalid_state", "disabled")
		root.call(t, "", http.MethodPost, path+"/enable", nil).done(t, http.StatusOK)
		root.call(t, "", http.MethodPost, path+"/rotate", nil).done(t, http.StatusCreated)
		root.call(t, "", http.MethodPost, path+"/material-keys/1/disable", nil).done(t, http.StatusOK)
		root.call(t, "", http.MethodPost, path+"/export", map[string]any{"recipient": public, "version": 1}).
			refused(t, http.StatusConflict, "invalid_state", "a disabled version")
	})
}

// bare is a JWK without the members that say what it is for.
func bare(t testing.TB, text json.RawMessage) json.RawMessage {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	for _, name := range []string{"kid", "use", "key_ops"} {
		delete(members, name)
	}
	out, err := json.Marshal(members)
	require.NoError(t, err)
	return out
}

func TestExport_RefusesRecipientsThatProtectNothing(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *service) {
		path := "elastic-keys/" + root.exportable(t, "leaving", "ES256") + "/export"
		own, _ := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		private, err := own.MarshalPrivate()
		require.NoError(t, err)
		_, short := recipient(t, "RSA-OAEP-256", 2048, "")
		signer, _ := generated(t, "ES256")
		signing, err := signer.MarshalPublic()
		require.NoError(t, err)
		edwards, _ := generated(t, "Ed25519")
		signature, err := edwards.MarshalPublic()
		require.NoError(t, err)
		_, direct := recipient(t, "ECDH-ES", 0, "P-256")
		_, weaker := recipient(t, "ECDH-ES+A128KW", 0, "P-256")
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
			root.call(t, "", http.MethodPost, path, map[string]any{"recipient": key}).refused(t, http.StatusBadRequest, "invalid_recipient", what)
		}
	})
}

func TestExport_IsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, _, root *service) {
		id := root.exportable(t, "leaving", "ES256")
		to, public := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		got := root.call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).done(t, http.StatusOK)
		var events []map[string]any
		require.Eventually(t, func() bool {
			events = root.trailOf(t, got)
			return len(events) > 0
		}, 10*time.Second, 10*time.Millisecond)
		require.Len(t, events, 1)
		assert.Equal(t, "key.export", events[0]["action"])
		assert.Equal(t, id, events[0]["object"].(map[string]any)["id"])
		text, err := json.Marshal(events[0])
		require.NoError(t, err)
		assert.Contains(t, string(text), to.ThumbprintSHA256())
		assert.NotContains(t, string(text), got.member(t, "jwe"))
	})
}

func TestAttestation_VerifiesWithThePublicKeysAlone(t *testing.T) {
	t.Parallel()
	trusted(t, func(t *testing.T, s, root *service) {
		token := s.operator(t)
		assert.Empty(t, s.publicSet(t, "/kms/attestation-keys.json").kids(t))
		id := root.exportable(t, "signer", "ES256")
		s.post(t, token, "elastic-keys/signer/rotate", nil)
		s.create(t, token, "secret", "A256GCM/dir")
		public := s.get(t, token, "elastic-keys/signer/public-key?version=1").raw(t, "jwk")
		key, err := jwk.Parse(public)
		require.NoError(t, err)

		got := s.get(t, token, "elastic-keys/signer/attestation?version=1")
		set, err := jwk.ParseSet(s.publicSet(t, "/t/default/kms/attestation-keys.json").body)
		require.NoError(t, err)
		require.Len(t, set.Keys, 1)
		assert.Equal(t, "Ed25519", set.Keys[0].Algorithm)
		payload, header, err := jws.Verify(set.Keys[0], got.member(t, "attestation"), jws.Expect{Type: "cu-attestation+jws"})
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
		again := s.get(t, token, "elastic-keys/secret/attestation")
		payload, _, err = jws.Verify(set.Keys[0], again.member(t, "attestation"), jws.Expect{Type: "cu-attestation+jws"})
		require.NoError(t, err)
		assert.NotContains(t, string(payload), "thumbprint")
		s.tenant(t, "acme")
		acme := s.token(t, "acme", "token", "kms:admin")
		s.create(t, acme, "signer", "ES256")
		theirs := s.get(t, acme, "elastic-keys/signer/attestation").member(t, "attestation")
		_, _, err = jws.Verify(set.Keys[0], theirs, jws.Expect{})
		require.ErrorIs(t, err, jws.ErrVerification)
		assert.NotEqual(t, s.get(t, token, "attestation-keys").kids(t), s.get(t, acme, "attestation-keys").kids(t))
	})
}

// A quorum's approval is for one version and one recipient, once, and stands in for the fresh authentication; without it nobody exports.
func TestExport_TakesTheQuorumsApproval(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		id := c.first.exportable(t, "leaving", "ES256")
		tag := c.first.ask(t, http.MethodGet, "elastic-keys/"+id, nil).done(t, http.StatusOK).header.Get("ETag")
		c.first.ask(t, http.MethodPatch, "elastic-keys/"+id, map[string]any{
			"policy": map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.ids["anna"], c.ids["ben"], c.ids["carl"]}}},
		}, "If-Match", tag, "Content-Type", "application/merge-patch+json").done(t, http.StatusOK)
		c.token = c.first.token(t, "default", "exporter", "kms:export", "kms:read")
		to, public := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		_, another := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		ask := func(key json.RawMessage, approval string) answer {
			return c.first.call(t, c.token, http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": key}, "Approval", approval)
		}
		ask(public, "").refused(t, http.StatusUnauthorized, "step_up_required", "a token without an approval")
		c.first.call(t, "", http.MethodPost, "elastic-keys/"+id+"/export", map[string]any{"recipient": public}).
			refusedOneOf(t, "approval_required")

		parameters := map[string]any{"version": 1, "recipient": to.ThumbprintSHA256()}
		approval := c.approved(t, "exportElasticKey", id, parameters)
		ask(another, approval).refusedOneOf(t, "approval_not_usable")
		got := ask(public, approval).done(t, http.StatusOK)
		_, _, err := jwe.Decrypt(to, got.member(t, "jwe"), jwe.Expect{})
		require.NoError(t, err)
		ask(public, approval).refusedOneOf(t, "approval_not_usable", "step_up_required")
	})
}
