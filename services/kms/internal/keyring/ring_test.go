package keyring_test

import (
	"context"
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
	ring, err := keyring.New(keyring.Config{Store: sqlstore.New(db, sealer, nil), Barrier: sealer, Generator: newGenerator(t), Now: time.Now})
	require.NoError(t, err)
	return instance{Keyring: ring, db: db, barrier: sealer}
}

// reseal vouches for what a test has written behind the service's back.
func (i instance) reseal(t *testing.T, tenant, id string) {
	t.Helper()
	store := sqlstore.New(i.db, i.barrier, nil)
	require.NoError(t, store.InTx(database.WithTenant(t.Context(), tenant), func(ctx context.Context) error {
		_, err := store.Reseal(ctx, tenant, id)
		return err
	}))
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
