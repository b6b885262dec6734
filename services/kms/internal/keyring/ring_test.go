package keyring_test

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// instance is a keyring on a database of its own, with what a test may want to reach behind its back.
type instance struct {
	*keyring.Keyring

	db      *database.DB
	barrier *barrier.Barrier
}

// generate makes every key on the spot, but RSA keys, which take seconds, once: each key ring gets a copy of the same one.
type generate struct {
	rsa func() []byte // its private JWK
}

func newGenerator(t *testing.T) generate {
	t.Helper()
	return generate{rsa: sync.OnceValue(func() []byte {
		spec, err := alg.ParseSpec("RS256", 2048, "")
		require.NoError(t, err)
		key, err := keygen.Generate(spec)
		require.NoError(t, err)
		text, err := key.MarshalPrivate()
		require.NoError(t, err)
		return text
	})}
}

// Take implements keyring.Generator.
func (g generate) Take(_ context.Context, spec alg.Spec) (*jwk.Key, error) {
	if spec.KeyType != alg.KeyTypeRSA {
		return keygen.Generate(spec)
	}
	key, err := jwk.Parse(g.rsa())
	if err != nil {
		return nil, err
	}
	use := jwk.UseEncryption
	if spec.Use == alg.UseSign {
		use = jwk.UseSignature
	}
	return jwk.FromMaterial(key.Material(), jwk.Attributes{Algorithm: spec.KeyAlgorithm(), Use: use})
}

// each runs test on a fresh instance of every engine.
func each(t *testing.T, test func(t *testing.T, ring instance)) {
	t.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		test(t, open(t, db, make([]byte, barrier.UnsealKeySize)))
	})
}

// open starts an instance on a database, as a process does.
func open(t *testing.T, db *database.DB, unsealKey []byte) instance {
	t.Helper()
	keys, err := barrierstore.New(db)
	require.NoError(t, err)
	sealer, err := barrier.New(barrier.Config{Store: keys, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, sealer.Unseal(t.Context(), unsealKey, "test"))
	ring, err := keyring.New(keyring.Config{Store: sqlstore.New(db), Barrier: sealer, Generator: newGenerator(t), Now: time.Now})
	require.NoError(t, err)
	return instance{Keyring: ring, db: db, barrier: sealer}
}

// admin is a caller of a tenant who may do everything.
func admin(tenant string) keyring.Caller {
	return keyring.Caller{Tenant: tenant, Kind: "api_token", ID: "test", Scopes: []string{keyring.ScopeAdmin}}
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	return coded.ErrorCode()
}

// algorithms are those of the table with every size and curve; RSA above 2048 is sampled by package jwe's own tests.
func algorithms(t *testing.T, use ...alg.Use) (specs []alg.Spec) {
	t.Helper()
	for _, spec := range alg.Specs() {
		large := spec.KeyType == alg.KeyTypeRSA && spec.KeySize > 2048
		for _, u := range use {
			if spec.Use == u && !large {
				specs = append(specs, spec)
			}
		}
	}
	require.NotEmpty(t, specs)
	return specs
}

func create(t *testing.T, ring instance, spec alg.Spec, name string) keyring.ElasticKey {
	t.Helper()
	ask := keyring.NewKey{Name: name, Algorithm: spec.Algorithm, Curve: spec.Curve}
	if spec.KeyType == alg.KeyTypeRSA {
		ask.KeySize = spec.KeySize
	}
	key, err := ring.Create(t.Context(), admin("a"), ask)
	require.NoError(t, err, spec.Algorithm)
	return key
}

func nameOf(spec alg.Spec) string {
	return strings.ToLower(strings.NewReplacer("/", "_", "+", "_").Replace(spec.Algorithm + "_" + spec.Curve))
}

func TestEncrypt_EveryAlgorithmRoundTripsAcrossRotation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for _, spec := range algorithms(t, alg.UseEncrypt) {
			key := create(t, ring, spec, nameOf(spec))
			bind := keyring.Context{"record": "4711"}
			first, err := ring.Encrypt(t.Context(), admin("a"), keyring.Ref(key.ID), []byte("hello"), bind)
			require.NoError(t, err, spec.Algorithm)
			assert.Equal(t, int64(1), first.Version)
			version, err := ring.Rotate(t.Context(), admin("a"), keyring.Ref(key.Name))
			require.NoError(t, err)
			assert.Equal(t, int64(2), version.Version)
			second, err := ring.Encrypt(t.Context(), admin("a"), keyring.Ref(key.Name), []byte("hello"), nil)
			require.NoError(t, err)
			assert.Equal(t, int64(2), second.Version)

			opened, err := ring.Decrypt(t.Context(), admin("a"), keyring.Ref(key.Name), first.Ciphertext, bind)
			require.NoError(t, err, "%s: an old version must still decrypt", spec.Algorithm)
			assert.Equal(t, "hello", string(opened.Plaintext))
			assert.Equal(t, int64(1), opened.Version)
			opened, err = ring.Decrypt(t.Context(), admin("a"), keyring.Ref(key.Name), second.Ciphertext, nil)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(opened.Plaintext))
		}
	})
}

func TestDecrypt_RefusesEverythingWithOneError(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		key, other := create(t, ring, spec, "key"), create(t, ring, spec, "other")
		bind := keyring.Context{"record": "4711"}
		good, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), bind)
		require.NoError(t, err)
		plain, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), nil)
		require.NoError(t, err)

		forged, err := keygen.Generate(spec)
		require.NoError(t, err)
		under := func(kid string) string {
			text, err := jwe.Encrypt(forged, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM", KeyID: kid}, []byte("hello"))
			require.NoError(t, err)
			return text
		}
		var messages []string
		for name, attempt := range map[string]struct {
			ref        keyring.Ref
			ciphertext string
			bind       keyring.Context
		}{
			"without its context":          {"key", good.Ciphertext, nil},
			"with another context":         {"key", good.Ciphertext, keyring.Context{"record": "4712"}},
			"with a context it never had":  {"key", plain.Ciphertext, bind},
			"under another key":            {"other", good.Ciphertext, bind},
			"tampered":                     {"key", plain.Ciphertext[:len(plain.Ciphertext)-2] + "AA", nil},
			"truncated":                    {"key", plain.Ciphertext[:len(plain.Ciphertext)-30], nil},
			"not a JWE":                    {"key", "hello", nil},
			"empty":                        {"key", "", nil},
			"forged with the right kid":    {"key", under(key.ID + ".1"), nil},
			"a version that is not there":  {"key", under(key.ID + ".7"), nil},
			"a version that cannot be":     {"key", under(key.ID + ".0"), nil},
			"without kid":                  {"key", under(""), nil},
			"with the kid of another key":  {"key", under(other.ID + ".1"), nil},
			"with a kid of no known shape": {"key", under("payroll"), nil},
		} {
			_, err := ring.Decrypt(t.Context(), admin("a"), attempt.ref, attempt.ciphertext, attempt.bind)
			require.Equal(t, "decryption_failed", codeOf(t, err), name)
			messages = append(messages, err.Error())
		}
		for _, message := range messages {
			assert.Equal(t, messages[0], message, "the reason must not show")
		}
	})
}

func TestSign_EveryAlgorithmAndFormat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		digest := sha512.Sum512([]byte("message"))
		for _, spec := range algorithms(t, alg.UseSign, alg.UseMAC) {
			key := create(t, ring, spec, nameOf(spec))
			ref := keyring.Ref(key.ID)
			var asks []keyring.SignRequest
			asks = append(asks, keyring.SignRequest{Payload: []byte("message"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS, Type: "x+jws"})
			formats := []keyring.Format{keyring.FormatRaw}
			if spec.KeyType == alg.KeyTypeEC {
				formats = []keyring.Format{keyring.FormatP1363, keyring.FormatDER}
			}
			for _, format := range formats {
				asks = append(asks, keyring.SignRequest{Payload: []byte("message"), Input: keyring.InputMessage, Format: format})
				if strings.HasSuffix(spec.Signature, "512") && spec.Use == alg.UseSign {
					asks = append(asks, keyring.SignRequest{Payload: digest[:], Input: keyring.InputDigest, Format: format})
				}
			}
			for _, ask := range asks {
				signed, err := ring.Sign(t.Context(), admin("a"), ref, ask)
				require.NoError(t, err, "%s %s %s", spec.Algorithm, ask.Input, ask.Format)
				check := keyring.VerifyRequest{
					Signature: signed.Signature, Payload: ask.Payload, HasPayload: true, Input: ask.Input, Format: ask.Format, Type: ask.Type,
				}
				verdict, err := ring.Verify(t.Context(), admin("a"), ref, check)
				require.NoError(t, err)
				assert.True(t, verdict.Valid, "%s %s %s", spec.Algorithm, ask.Input, ask.Format)

				check.Payload = append([]byte{}, ask.Payload...)
				check.Payload[0] ^= 1
				verdict, err = ring.Verify(t.Context(), admin("a"), ref, check)
				require.NoError(t, err)
				assert.False(t, verdict.Valid, "another message: %s %s %s", spec.Algorithm, ask.Input, ask.Format)
				assert.Empty(t, verdict.Payload)
			}
		}
	})
}

func TestVerify_ASignatureOfAnotherKeyTypeOrVersionIsNotValid(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("ES256", 0, "")
		require.NoError(t, err)
		key, other := create(t, ring, spec, "key"), create(t, ring, spec, "other")
		ask := keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS, Type: "a+jws"}
		signed, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		require.NoError(t, err)
		verify := func(ref string, change func(*keyring.VerifyRequest)) bool {
			check := keyring.VerifyRequest{Signature: signed.Signature, Input: keyring.InputJWSPayload, Format: keyring.FormatJWS}
			change(&check)
			verdict, err := ring.Verify(t.Context(), admin("a"), keyring.Ref(ref), check)
			require.NoError(t, err)
			return verdict.Valid
		}
		assert.True(t, verify(key.ID, func(*keyring.VerifyRequest) {}))
		assert.False(t, verify(other.ID, func(*keyring.VerifyRequest) {}))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Type = "b+jws" }))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Signature = "x.y.z" }))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Signature = "" }))

		bare, err := ring.Sign(t.Context(), admin("a"), "key", keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatP1363})
		require.NoError(t, err)
		_, err = ring.Rotate(t.Context(), admin("a"), "key")
		require.NoError(t, err)
		raw := func(version int64) bool {
			return verify("key", func(r *keyring.VerifyRequest) {
				*r = keyring.VerifyRequest{
					Signature: bare.Signature, Payload: []byte("m"), HasPayload: true,
					Input: keyring.InputMessage, Format: keyring.FormatP1363, Version: version,
				}
			})
		}
		assert.True(t, raw(1), "the version that made it")
		assert.False(t, raw(0), "the primary version is another by now")
		assert.True(t, verify(key.ID, func(*keyring.VerifyRequest) {}), "a JWS names its version")
	})
}

func TestSign_RefusesWhatAnAlgorithmDoesNotHave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for algorithm, asks := range map[string][]keyring.SignRequest{
			"Ed25519": {
				{Payload: make([]byte, 64), Input: keyring.InputDigest, Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatDER},
			},
			"HS256": {{Payload: make([]byte, 32), Input: keyring.InputDigest, Format: keyring.FormatRaw}},
			"ES256": {
				{Payload: make([]byte, 31), Input: keyring.InputDigest, Format: keyring.FormatDER},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatRaw},
			},
		} {
			spec, err := alg.ParseSpec(algorithm, 0, "")
			require.NoError(t, err)
			key := create(t, ring, spec, nameOf(spec))
			for _, ask := range asks {
				_, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
				assert.Equal(t, "invalid_input", codeOf(t, err), "%s %s %s", algorithm, ask.Input, ask.Format)
				_, err = ring.Verify(t.Context(), admin("a"), keyring.Ref(key.ID), keyring.VerifyRequest{
					Signature: "AAAA", Payload: ask.Payload, HasPayload: true, Input: ask.Input, Format: ask.Format,
				})
				assert.Equal(t, "invalid_input", codeOf(t, err), "verify %s %s %s", algorithm, ask.Input, ask.Format)
			}
			for _, ask := range []keyring.SignRequest{
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatJWS},
				{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: "pem"},
				{Payload: []byte("m"), Input: "file", Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatRaw, Type: "x"},
			} {
				_, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
				assert.Equal(t, "validation_failed", codeOf(t, err), "%+v", ask)
			}
		}
	})
}

func TestCreate_RefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for _, refused := range []keyring.NewKey{
			{Name: "k", Algorithm: "none"},
			{Name: "k", Algorithm: "A256GCM/RSA1_5"},
			{Name: "k", Algorithm: "A256GCM/RSA-OAEP"},
			{Name: "k", Algorithm: "A256GCM/PBES2-HS256+A128KW"},
			{Name: "k", Algorithm: "RS1"},
			{Name: "k", Algorithm: "ES256K"},
			{Name: "k", Algorithm: "RS256", KeySize: 1024},
			{Name: "k", Algorithm: "A256GCM/A256KW", KeySize: 2048},
			{Name: "k", Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "X25519"},
			{Name: "k", Algorithm: "ES256", Curve: "P-384"},
		} {
			_, err := ring.Create(t.Context(), admin("a"), refused)
			assert.Equal(t, "unsupported_algorithm", codeOf(t, err), "%+v", refused)
		}
		_, err := ring.Create(t.Context(), admin("a"), keyring.NewKey{Name: "k", Algorithm: "ES256"})
		require.NoError(t, err)
		_, err = ring.Create(t.Context(), admin("a"), keyring.NewKey{Name: "k", Algorithm: "ES384"})
		assert.Equal(t, "conflict", codeOf(t, err))
		_, err = ring.Create(t.Context(), admin("b"), keyring.NewKey{Name: "k", Algorithm: "ES384"})
		assert.NoError(t, err, "another tenant's name is free")
	})
}

func TestKeyring_AMovedOrEditedRowIsUnreadableAndNamed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		for _, edit := range []struct{ name, sql string }{
			{"another tenant", `UPDATE material_keys SET tenant_id = 'b' WHERE elastic_key_id = $1`},
			{"another id", `UPDATE material_keys SET id = '0198c8e0-0000-7000-8000-000000000000' WHERE elastic_key_id = $1`},
			{"another version", `UPDATE material_keys SET version = 2 WHERE elastic_key_id = $1`},
			{"exportable", `UPDATE material_keys SET exportable = TRUE WHERE elastic_key_id = $1`},
			{"another algorithm", `UPDATE elastic_keys SET algorithm = 'A256GCM/dir' WHERE id = $1`},
			{"another use", `UPDATE elastic_keys SET key_use = 'sign', algorithm = 'HS256' WHERE id = $1`},
		} {
			key := create(t, ring, spec, "key-"+strings.ReplaceAll(edit.name, " ", "-"))
			good, err := ring.Encrypt(t.Context(), admin("a"), keyring.Ref(key.ID), []byte("hello"), nil)
			require.NoError(t, err)
			caller, ref := admin("a"), keyring.Ref(key.ID)
			if edit.name == "another tenant" {
				// The whole key moves: the thief's tenant gets its row as well.
				_, err = ring.db.Exec(t.Context(), `INSERT INTO elastic_keys SELECT 'b', id, name, description, algorithm, key_size, curve, key_use, status,
					primary_version, version_count, created_at, updated_at FROM elastic_keys WHERE id = $1`, key.ID)
				require.NoError(t, err)
				caller = admin("b")
			}
			_, err = ring.db.Exec(t.Context(), edit.sql, key.ID)
			require.NoError(t, err)
			if edit.name == "another version" {
				_, err = ring.db.Exec(t.Context(), `UPDATE elastic_keys SET primary_version = 2 WHERE id = $1`, key.ID)
				require.NoError(t, err)
			}
			if edit.name == "another use" {
				_, err = ring.Sign(t.Context(), caller, ref, keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
			} else {
				_, err = ring.Encrypt(t.Context(), caller, ref, []byte("hello"), nil)
			}
			require.ErrorIs(t, err, barrier.ErrMoved, edit.name)
			assert.ErrorContains(t, err, key.ID, edit.name)
			assert.ErrorContains(t, err, "kms/material-key", edit.name)
			if edit.name == "exportable" {
				_, err = ring.Decrypt(t.Context(), caller, ref, good.Ciphertext, nil)
				assert.ErrorIs(t, err, barrier.ErrMoved, "an edited row does not decrypt either")
			}
		}
	})
}

func TestKeyring_NothingPrivateInTheTables(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for _, algorithm := range []string{"A256GCM/dir", "ES256", "Ed25519", "HS256"} {
			spec, err := alg.ParseSpec(algorithm, 0, "")
			require.NoError(t, err)
			create(t, ring, spec, nameOf(spec))
		}
		rows, err := ring.db.Query(t.Context(), `SELECT wrapped_key FROM material_keys`)
		require.NoError(t, err)
		defer rows.Close()
		count := 0
		for rows.Next() {
			var wrapped string
			require.NoError(t, rows.Scan(&wrapped))
			header, err := jwe.ParseHeader(wrapped)
			require.NoError(t, err, "what is stored is a JWE")
			assert.NotEmpty(t, header.Extra["aad"], "bound to its row")
			count++
		}
		require.NoError(t, rows.Err())
		assert.Equal(t, 4, count)
	})
}

func TestKeyring_KeysSurviveARestartAndASealedBarrierOpensNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		sealed, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), nil)
		require.NoError(t, err)

		again := open(t, ring.db, make([]byte, barrier.UnsealKeySize))
		opened, err := again.Decrypt(t.Context(), admin("a"), "key", sealed.Ciphertext, nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(opened.Plaintext))

		again.barrier.Seal()
		again.Forget()
		_, err = again.Decrypt(t.Context(), admin("a"), "key", sealed.Ciphertext, nil)
		assert.Equal(t, "sealed", codeOf(t, err))
		_, err = again.Create(t.Context(), admin("a"), keyring.NewKey{Name: "other", Algorithm: "ES256"})
		assert.Equal(t, "sealed", codeOf(t, err))
	})
}

func TestEncrypt_ADirectKeyRotatesBeforeItsNonceLimit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/dir", 0, "")
		require.NoError(t, err)
		key := create(t, ring, spec, "key")
		old, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), nil)
		require.NoError(t, err)
		_, err = ring.db.Exec(t.Context(), `UPDATE material_keys SET use_count = 2147483648 WHERE elastic_key_id = $1`, key.ID)
		require.NoError(t, err)

		restarted := open(t, ring.db, make([]byte, barrier.UnsealKeySize)) // another process, with no block of uses left
		const rivals = 8
		versions := make([]int64, rivals)
		failures := make([]error, rivals)
		var group sync.WaitGroup
		for i := range rivals {
			group.Go(func() {
				sealed, err := restarted.Encrypt(context.WithoutCancel(t.Context()), admin("a"), "key", []byte("hello"), nil)
				versions[i], failures[i] = sealed.Version, err
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		for _, version := range versions {
			assert.Equal(t, int64(2), version, "one rotation, whoever comes first")
		}
		opened, err := restarted.Decrypt(t.Context(), admin("a"), "key", old.Ciphertext, nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(opened.Plaintext))
	})
}

func TestRotate_ConcurrentlyLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		var mu sync.Mutex
		var ciphertexts []string
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5 {
					ctx := context.WithoutCancel(t.Context())
					_, err := ring.Rotate(ctx, admin("a"), "key")
					assert.NoError(t, err)
					sealed, err := ring.Encrypt(ctx, admin("a"), "key", []byte("hello"), nil)
					assert.NoError(t, err)
					mu.Lock()
					ciphertexts = append(ciphertexts, sealed.Ciphertext)
					mu.Unlock()
				}
			})
		}
		group.Wait()
		for _, ciphertext := range ciphertexts {
			_, err := ring.Decrypt(t.Context(), admin("a"), "key", ciphertext, nil)
			require.NoError(t, err)
		}
		key, err := ring.Get(t.Context(), admin("a"), "key")
		require.NoError(t, err)
		assert.Equal(t, int64(21), key.VersionCount)
		assert.Equal(t, int64(21), key.PrimaryVersion)
	})
}

func TestPublic_IsWhatOthersEncryptTo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		public, err := ring.Public(t.Context(), admin("a"), "key", 0)
		require.NoError(t, err)
		key, err := jwk.Parse(public.JWK)
		require.NoError(t, err)
		assert.False(t, key.IsPrivate())
		text := rand.Text()
		message, err := jwe.Encrypt(key, jwe.Header{Algorithm: "ECDH-ES+A256KW", Encryption: "A256GCM"}, []byte(text))
		require.NoError(t, err)
		opened, err := ring.Decrypt(t.Context(), admin("a"), "key", message, nil)
		require.NoError(t, err)
		assert.Equal(t, text, string(opened.Plaintext))

		secret, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, secret, "symmetric")
		_, err = ring.Public(t.Context(), admin("a"), "symmetric", 0)
		assert.Equal(t, "no_public_key", codeOf(t, err))
	})
}
