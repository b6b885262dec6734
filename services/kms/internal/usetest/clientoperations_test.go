package usetest_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/client/attestation"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// makeKey creates a key by the Go client.
func makeKey(t testing.TB, lib *client.KMS, name, algorithm string) {
	t.Helper()
	_, err := lib.CreateKey(t.Context(), client.CreateElasticKey{Name: name, Algorithm: algorithm})
	require.NoError(t, err)
}

// code is that of the problem that an error is.
func code(err error) string {
	var problem *client.Problem
	if errors.As(err, &problem) {
		return problem.Code
	}
	return ""
}

func TestClient_MakesWrapsAndOpensKeys(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	lib := kmstest.Run(t, cfg, files).Library(t)
	makeKey(t, lib, "wrapper", "A256GCM/A256KW")
	ctx, bound := t.Context(), map[string]string{"record": "4711"}

	made, err := lib.GenerateDataKey(ctx, "wrapper", client.DataKeySpec{IncludePlaintext: true, Context: bound})
	require.NoError(t, err)
	opened, err := lib.Unwrap(ctx, "wrapper", made.Wrapped, bound)
	require.NoError(t, err)
	require.Len(t, opened.Octets, 32)
	assert.Equal(t, *made.Key, client.EncodeBytes(opened.Octets))
	_, err = lib.Unwrap(ctx, "wrapper", made.Wrapped, nil)
	assert.Equal(t, "decryption_failed", code(err))

	silent, err := lib.GenerateDataKey(ctx, "wrapper", client.DataKeySpec{Bits: 512})
	require.NoError(t, err)
	assert.Nil(t, silent.Key)

	for _, pair := range []string{"P-256", "P-384", "P-521", "Ed25519", "RSA-2048"} {
		made, err := lib.GenerateDataKey(ctx, "wrapper", client.DataKeySpec{KeyPair: pair, IncludePlaintext: true})
		require.NoError(t, err, pair)
		opened, err := lib.Unwrap(ctx, "wrapper", made.Wrapped, nil)
		require.NoError(t, err)
		assert.JSONEq(t, string(*made.JWK), string(opened.JWK))
		private, err := jwk.Parse(opened.JWK)
		require.NoError(t, err)
		public, err := jwk.Parse(*made.PublicJWK)
		require.NoError(t, err)
		assert.Equal(t, private.ThumbprintSHA256(), public.ThumbprintSHA256())

		again, err := lib.WrapJWK(ctx, "wrapper", opened.JWK, nil)
		require.NoError(t, err)
		back, err := lib.Unwrap(ctx, "wrapper", again, nil)
		require.NoError(t, err)
		assert.JSONEq(t, string(opened.JWK), string(back.JWK))
	}
	wrapped, err := lib.Wrap(ctx, "wrapper", []byte{0, 1, 255}, nil)
	require.NoError(t, err)
	opened, err = lib.Unwrap(ctx, "wrapper", wrapped, nil)
	require.NoError(t, err)
	assert.Equal(t, []byte{0, 1, 255}, opened.Octets)
	_, err = lib.WrapJWK(ctx, "wrapper", json.RawMessage(`{"kty":"EC"}`), nil)
	assert.Equal(t, "invalid_jwk", code(err))

	generated, err := lib.Generate(ctx, "wrapper", client.GenerateRequest{Algorithm: "ES384"})
	require.NoError(t, err)
	opened, err = lib.Unwrap(ctx, "wrapper", generated.Wrapped, nil)
	require.NoError(t, err)
	assert.Contains(t, string(opened.JWK), `"P-384"`)

	random, err := lib.GenerateRandom(ctx, 1024)
	require.NoError(t, err)
	assert.Len(t, random, 1024)
	_, err = lib.GenerateRandom(ctx, 1025)
	assert.Equal(t, "validation_failed", code(err))
}

func TestClient_DerivesSharesAndAuthenticates(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	lib := kmstest.Run(t, cfg, files).Library(t)
	ctx := t.Context()
	for name, algorithm := range map[string]string{"mac": "HS256", "kdf": "HKDF-SHA256", "agree": "ECDH", "kem": "ML-KEM-768", "box": "A256GCM/A256KW", "other": "A256GCM/A256KW"} {
		makeKey(t, lib, name, algorithm)
	}
	mac, version, err := lib.Mac(ctx, "mac", []byte("hello"))
	require.NoError(t, err)
	_, err = lib.RotateKey(ctx, "mac")
	require.NoError(t, err)
	for _, c := range []struct {
		message string
		version int64
		valid   bool
	}{{"hello", version, true}, {"hello", 0, false}, {"Hello", version, false}} {
		valid, err := lib.VerifyMac(ctx, "mac", []byte(c.message), mac, c.version)
		require.NoError(t, err)
		assert.Equal(t, c.valid, valid, "%+v", c)
	}
	_, _, err = lib.Mac(ctx, "kdf", nil)
	assert.Equal(t, "wrong_key_use", code(err))

	ask := client.DeriveRequest{Length: new(48), Salt: new(client.EncodeBytes([]byte("salt"))), Info: new(client.EncodeBytes([]byte("info")))}
	one, err := lib.Derive(ctx, "kdf", ask)
	require.NoError(t, err)
	two, err := lib.Derive(ctx, "kdf", ask)
	require.NoError(t, err)
	assert.Equal(t, one, two)
	assert.Len(t, one, 48)

	spec, err := alg.ParseSpec("ECDH", 0, "P-256")
	require.NoError(t, err)
	peer, err := keygen.Generate(spec)
	require.NoError(t, err)
	text, err := peer.MarshalPublic()
	require.NoError(t, err)
	public := json.RawMessage(text)
	raw, err := lib.Derive(ctx, "agree", client.DeriveRequest{Peer: &public})
	require.NoError(t, err)
	ours, err := lib.PublicKey(ctx, "agree", 0)
	require.NoError(t, err)
	theirs, err := jwk.Parse(ours.JWK)
	require.NoError(t, err)
	private, err := peer.ECDHPrivate()
	require.NoError(t, err)
	point, err := theirs.ECDHPublic()
	require.NoError(t, err)
	want, err := private.ECDH(point)
	require.NoError(t, err)
	assert.Equal(t, want, raw, "both sides have the same secret")
	kdf := client.DeriveRequestKdf("hkdf-sha256")
	expanded, err := lib.Derive(ctx, "agree", client.DeriveRequest{Peer: &public, Kdf: &kdf, Length: new(32)})
	require.NoError(t, err)
	want, err = hkdf.Key(sha256.New, raw, nil, "", 32)
	require.NoError(t, err)
	assert.Equal(t, want, expanded)

	shared, ciphertext, err := lib.Encapsulate(ctx, "kem")
	require.NoError(t, err)
	back, err := lib.Decapsulate(ctx, "kem", ciphertext, 1)
	require.NoError(t, err)
	assert.Equal(t, shared, back)
	published, err := lib.PublicKey(ctx, "kem", 0)
	require.NoError(t, err)
	key, err := jwk.ParsePEM([]byte(published.PEM), jwk.Attributes{})
	require.NoError(t, err)
	shared, ciphertext = key.Material().(*mlkem.EncapsulationKey768).Encapsulate()
	back, err = lib.Decapsulate(ctx, "kem", ciphertext, 0)
	require.NoError(t, err)
	assert.Equal(t, shared, back, "with the public key alone")

	message, err := lib.Encrypt(ctx, "box", []byte("secret"), map[string]string{"a": "1"})
	require.NoError(t, err)
	moved, err := lib.Reencrypt(ctx, "box", client.ReencryptRequest{
		Ciphertext: message, Context: &client.Context{"a": "1"}, Target: new("other"), NewContext: &client.Context{"b": "2"},
	})
	require.NoError(t, err)
	plaintext, err := lib.Decrypt(ctx, "other", moved.Ciphertext, map[string]string{"b": "2"})
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plaintext))
	_, err = lib.Reencrypt(ctx, "box", client.ReencryptRequest{Ciphertext: message})
	assert.Equal(t, "decryption_failed", code(err))
}

// A batch longer than a request keeps its order, and an item that is wrong fails alone.
func TestClient_BatchesOfAnyLength(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	lib := kmstest.Run(t, cfg, files).Library(t)
	makeKey(t, lib, "box", "A256GCM/A256KW")
	makeKey(t, lib, "signer", "ES256")
	makeKey(t, lib, "mac", "HS256")
	ctx := t.Context()
	const size, bad = 1003, 1001
	items := make([]client.EncryptRequest, size)
	for n := range items {
		items[n].Plaintext = client.EncodeBytes([]byte{byte(n), byte(n >> 8)})
	}
	items[bad].Plaintext = "not base64url!"
	sealed, err := lib.EncryptBatch(ctx, "box", items)
	require.NoError(t, err)
	require.Len(t, sealed, size)
	open := make([]client.DecryptRequest, size)
	for n, outcome := range sealed {
		if n == bad {
			assert.Equal(t, "validation_failed", code(outcome.Err))
			continue
		}
		require.NoError(t, outcome.Err)
		open[n].Ciphertext = outcome.Value.Ciphertext
	}
	opened, err := lib.DecryptBatch(ctx, "box", open)
	require.NoError(t, err)
	for n, outcome := range opened {
		if n == bad {
			require.Error(t, outcome.Err)
			continue
		}
		require.NoError(t, outcome.Err)
		assert.Equal(t, items[n].Plaintext, outcome.Value.Plaintext)
	}
	_, err = lib.EncryptBatch(ctx, "signer", items[:1])
	assert.Equal(t, "wrong_key_use", code(err), "the batch as a whole")
	_, err = lib.DecryptBatch(ctx, "nobody", open[:1])
	assert.Equal(t, "not_found", code(err))

	random, err := lib.GenerateRandomBatch(ctx, []client.GenerateRandomRequest{{Bytes: 4}, {Bytes: 0}})
	require.NoError(t, err)
	require.NoError(t, random[0].Err)
	require.Error(t, random[1].Err)
	signed, err := lib.SignBatch(ctx, "signer", []client.SignRequest{{Payload: "aGVsbG8"}})
	require.NoError(t, err)
	verdicts, err := lib.VerifyBatch(ctx, "signer", []client.VerifyRequest{{Signature: signed[0].Value.Signature}, {Signature: "a.b.c"}})
	require.NoError(t, err)
	assert.True(t, verdicts[0].Value.Valid)
	assert.False(t, verdicts[1].Value.Valid)
	macs, err := lib.MacBatch(ctx, "mac", []client.MacRequest{{Payload: "aGVsbG8"}})
	require.NoError(t, err)
	right, err := lib.VerifyMacBatch(ctx, "mac", []client.VerifyMacRequest{{Payload: "aGVsbG8", Mac: macs[0].Value.Mac}})
	require.NoError(t, err)
	assert.True(t, right[0].Value.Valid)
	keys, err := lib.GenerateDataKeyBatch(ctx, "box", make([]client.GenerateDataKeyRequest, 3))
	require.NoError(t, err)
	unwrapped, err := lib.UnwrapBatch(ctx, "box", []client.UnwrapRequest{{Wrapped: keys[2].Value.Wrapped}})
	require.NoError(t, err)
	assert.NotNil(t, unwrapped[0].Value.Key)
}

func TestClient_ExportsAttestsAndRestores(t *testing.T) {
	t.Parallel()
	source, target := kmstest.NewVault(t, database.EngineSQLite), kmstest.NewVault(t, database.EngineSQLite)
	from, into := source.Administrator(t), target.Administrator(t)
	ctx := t.Context()
	_, err := from.CreateKey(ctx, client.CreateElasticKey{Name: "leaving", Algorithm: "ES256", Exportable: new(true)})
	require.NoError(t, err)
	makeKey(t, from, "box", "A256GCM/dir")
	private, public := kmstest.Custody(t)

	exported, err := from.Export(ctx, "leaving", client.Export{Recipient: public})
	require.NoError(t, err)
	text, _, err := jwe.Decrypt(private, exported.Jwe, jwe.Expect{Algorithm: "ECDH-ES+A256KW", Encryption: "A256GCM"})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"d":`)
	_, err = from.Export(ctx, "box", client.Export{Recipient: public})
	assert.Equal(t, "not_exportable", code(err))
	_, err = source.Own.Library(t).Export(ctx, "leaving", client.Export{Recipient: public})
	assert.Equal(t, "step_up_required", code(err))

	attested, err := from.Attest(ctx, "leaving", 0)
	require.NoError(t, err)
	keys, err := from.AttestationKeys(ctx)
	require.NoError(t, err)
	said, err := attestation.Verify(attested.Attestation, keys)
	require.NoError(t, err)
	assert.Equal(t, "ES256", said.Algorithm)
	assert.True(t, said.Exportable)
	of, err := from.PublicKey(ctx, "leaving", 0)
	require.NoError(t, err)
	is, err := said.IsOf(of.JWK)
	require.NoError(t, err)
	assert.True(t, is)
	is, err = said.IsOf(public)
	require.NoError(t, err)
	assert.False(t, is)
	others, err := into.AttestationKeys(ctx)
	require.NoError(t, err)
	_, err = attestation.Verify(attested.Attestation, others)
	require.ErrorIs(t, err, attestation.ErrUnknownKey)
	_, err = attestation.Verify(attested.Attestation[:len(attested.Attestation)-4]+"AAAA", keys)
	require.ErrorIs(t, err, attestation.ErrNotVerified)
	_, err = attestation.Verify("x", keys)
	require.ErrorIs(t, err, attestation.ErrNotVerified)
	_, err = attestation.Verify(attested.Attestation, []byte("{"))
	require.ErrorContains(t, err, "attestation keys")

	message, err := from.Encrypt(ctx, "box", []byte("kept"), nil)
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, from.BackupTenant(ctx, []json.RawMessage{public}, &file))
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil }
	report, err := into.Restore(ctx, open, private, client.RestoreOptions{DryRun: true})
	require.NoError(t, err)
	assert.Equal(t, 2, report.Restored)
	_, err = into.GetKey(ctx, "box")
	assert.Equal(t, "not_found", code(err), "a rehearsal changes nothing")
	report, err = into.Restore(ctx, open, private, client.RestoreOptions{})
	require.NoError(t, err)
	assert.Equal(t, 2, report.Restored)
	plaintext, err := into.Decrypt(ctx, "box", message, nil)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(plaintext))
	report, err = into.Restore(ctx, open, private, client.RestoreOptions{})
	require.NoError(t, err)
	assert.Equal(t, 2, report.Present)
	_, err = from.Restore(ctx, open, private, client.RestoreOptions{})
	assert.Equal(t, "conflict", code(err))

	stranger, _ := kmstest.Custody(t)
	_, err = into.Restore(ctx, open, stranger, client.RestoreOptions{})
	require.ErrorContains(t, err, "other recipients")
	cut := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes()[:file.Len()-1])), nil }
	_, err = into.Restore(ctx, cut, private, client.RestoreOptions{})
	require.Error(t, err)

	file.Reset()
	require.NoError(t, from.BackupKey(ctx, "box", "", []json.RawMessage{public}, &file))
	third := kmstest.NewVault(t, database.EngineSQLite).Administrator(t)
	report, err = third.Restore(ctx, open, private, client.RestoreOptions{FromTenant: "default"})
	require.NoError(t, err)
	assert.Equal(t, 1, report.Restored)
	report, err = from.Restore(ctx, open, private, client.RestoreOptions{Skip: true})
	require.NoError(t, err)
	assert.Equal(t, 1, report.Skipped)
}
