package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestMaterial_IsTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"wrapped":"a.b.c.d.e","key":"AQI","ciphertext":"AwQ","shared_key":"BQY","secret":"Bwg","mac":"CQo","random":"CwwN","valid":true,`+
		`"version":3,"jwe":"a.b.c.d.e","attestation":"a.b.c","id":"r1","jwk":null}`))
	kms := dial(t, s, nil)
	ctx, bound := t.Context(), map[string]string{"record": "1"}

	made, err := kms.GenerateDataKey(ctx, "k", client.DataKeySpec{Bits: 128, IncludePlaintext: true, Context: bound})
	require.NoError(t, err)
	assert.Equal(t, "AQI", *made.Key)
	_, err = kms.GenerateDataKey(ctx, "k", client.DataKeySpec{KeyPair: "P-256"})
	require.NoError(t, err)
	wrapped, err := kms.Wrap(ctx, "k", []byte{1, 2}, bound)
	require.NoError(t, err)
	assert.Equal(t, "a.b.c.d.e", wrapped)
	_, err = kms.WrapJWK(ctx, "k", json.RawMessage(`{"kty":"oct"}`), nil)
	require.NoError(t, err)
	opened, err := kms.Unwrap(ctx, "k", wrapped, nil)
	require.NoError(t, err)
	assert.Equal(t, &client.Unwrapped{Octets: []byte{1, 2}}, opened)
	_, err = kms.Generate(ctx, "k", client.GenerateRequest{Algorithm: "ES256"})
	require.NoError(t, err)
	mac, version, err := kms.Mac(ctx, "k", []byte("m"))
	require.NoError(t, err)
	assert.Equal(t, []byte{9, 10}, mac)
	assert.EqualValues(t, 3, version)
	valid, err := kms.VerifyMac(ctx, "k", []byte("m"), mac, 3)
	require.NoError(t, err)
	assert.True(t, valid)
	secret, err := kms.Derive(ctx, "k", client.DeriveRequest{Length: new(32)})
	require.NoError(t, err)
	assert.Equal(t, []byte{7, 8}, secret)
	shared, ciphertext, err := kms.Encapsulate(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, []byte{5, 6}, shared)
	shared, err = kms.Decapsulate(ctx, "k", ciphertext, 0)
	require.NoError(t, err)
	assert.Equal(t, []byte{5, 6}, shared)
	random, err := kms.GenerateRandom(ctx, 3)
	require.NoError(t, err)
	assert.Equal(t, []byte{11, 12, 13}, random)
	_, err = kms.Reencrypt(ctx, "k", client.ReencryptRequest{Ciphertext: "a.b.c.d.e", Target: new("l")})
	require.NoError(t, err)
	_, err = kms.Export(ctx, "k", client.Export{Version: 2, Recipient: json.RawMessage(`{}`), Approval: "a1"})
	require.NoError(t, err)
	_, err = kms.Attest(ctx, "k", 2)
	require.NoError(t, err)
	_, err = kms.CreateRestoreRecipient(ctx)
	require.NoError(t, err)
	_, err = kms.CreateVersion(ctx, "k")
	require.NoError(t, err)
	_, err = kms.RestoreSealed(ctx, "r1", []byte("sealed"), client.RestoreOptions{DryRun: true, Skip: true, FromTenant: "acme"})
	require.NoError(t, err)

	var got []string
	for _, r := range s.Requests() {
		got = append(got, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.Path, "/service/api/v1/")+" "+r.Query+" "+r.Body))
	}
	assert.Equal(t, []string{
		`POST elastic-keys/k/generate-data-key  {"bits":128,"context":{"record":"1"},"include_plaintext":true}`,
		`POST elastic-keys/k/generate-data-key  {"key_pair":"P-256"}`,
		`POST elastic-keys/k/wrap  {"context":{"record":"1"},"key":"AQI"}`,
		`POST elastic-keys/k/wrap  {"jwk":{"kty":"oct"}}`,
		`POST elastic-keys/k/unwrap  {"wrapped":"a.b.c.d.e"}`,
		`POST elastic-keys/k/generate  {"algorithm":"ES256"}`,
		`POST elastic-keys/k/mac  {"payload":"bQ"}`,
		`POST elastic-keys/k/verify-mac  {"mac":"CQo","payload":"bQ","version":3}`,
		`POST elastic-keys/k/derive  {"length":32}`,
		`POST elastic-keys/k/encapsulate  {}`,
		`POST elastic-keys/k/decapsulate  {"ciphertext":"AwQ"}`,
		`POST generate-random  {"bytes":3}`,
		`POST elastic-keys/k/reencrypt  {"ciphertext":"a.b.c.d.e","target":"l"}`,
		`POST elastic-keys/k/export  {"recipient":{},"version":2}`,
		`GET elastic-keys/k/attestation version=2`,
		`POST backups/recipients`,
		`POST elastic-keys/k/material-keys`,
		`POST backups/restore recipient=r1&dry_run=true&on_conflict=skip&from_tenant=acme sealed`,
	}, got)
	assert.Equal(t, "a1", s.Requests()[13].Header.Get("Approval"))
	assert.NotEmpty(t, s.Requests()[15].Header.Get("Idempotency-Key"))
}

func TestMaterial_RefusesAnswersThatLackIt(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`{}`, `{"wrapped":"","key":"!","mac":"!","secret":"!","shared_key":"!","ciphertext":"!","random":"!"}`, `{"key":"AQ=","random":"AQ"}`,
	} {
		kms := dial(t, double.Serve(t, double.OK(answer)), nil)
		ctx := t.Context()
		_, err := kms.GenerateDataKey(ctx, "k", client.DataKeySpec{})
		require.ErrorContains(t, err, "answer")
		_, err = kms.Wrap(ctx, "k", nil, nil)
		require.ErrorContains(t, err, "answer")
		_, err = kms.Unwrap(ctx, "k", "x", nil)
		require.ErrorContains(t, err, "answer")
		_, err = kms.Generate(ctx, "k", client.GenerateRequest{})
		require.ErrorContains(t, err, "answer")
		_, _, err = kms.Mac(ctx, "k", nil)
		require.ErrorContains(t, err, "answer")
		_, err = kms.Derive(ctx, "k", client.DeriveRequest{})
		require.ErrorContains(t, err, "answer")
		_, _, err = kms.Encapsulate(ctx, "k")
		require.ErrorContains(t, err, "answer")
		_, err = kms.Decapsulate(ctx, "k", nil, 0)
		require.ErrorContains(t, err, "answer")
		_, err = kms.GenerateRandom(ctx, 3)
		require.ErrorContains(t, err, "answer")
		_, err = kms.Reencrypt(ctx, "k", client.ReencryptRequest{})
		if !strings.Contains(answer, "ciphertext") {
			require.ErrorContains(t, err, "answer")
		}
		_, err = kms.Export(ctx, "k", client.Export{})
		require.ErrorContains(t, err, "answer")
		_, err = kms.Attest(ctx, "k", 0)
		require.ErrorContains(t, err, "answer")
	}
	s := double.Serve(t, double.OK(`{}`))
	kms := dial(t, s, nil)
	for _, key := range []string{"", ".", ".."} {
		_, err := kms.Wrap(t.Context(), key, nil, nil)
		require.Error(t, err)
		_, err = kms.Batch(t.Context(), key, client.OpEncrypt, nil)
		require.Error(t, err)
		require.Error(t, kms.BackupKey(t.Context(), key, "", nil, nil))
	}
	assert.Empty(t, s.Requests())
}

// A download goes into its destination once: it is repeated only before the first byte, and what breaks off is an error.
func TestBackup_IsRepeatedOnlyBeforeItsFirstByte(t *testing.T) {
	t.Parallel()
	file := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("backup", 50_000))) }
	s := double.Serve(t, double.Refuse(http.StatusServiceUnavailable, "overloaded"), double.HangUp, file)
	kms := dial(t, s, nil)
	var got strings.Builder
	require.NoError(t, kms.BackupTenant(t.Context(), []json.RawMessage{json.RawMessage(`{"kty":"EC"}`)}, &got))
	assert.Len(t, got.String(), 300_000)
	assert.Len(t, s.Requests(), 3)
	assert.JSONEq(t, `{"recipients":[{"kty":"EC"}]}`, s.Requests()[2].Body)

	s = double.Serve(t, double.HalfAnswer, file)
	kms = dial(t, s, nil)
	got.Reset()
	require.ErrorContains(t, kms.BackupKey(t.Context(), "k", "a1", nil, &got), "breaks off")
	assert.Len(t, s.Requests(), 1)
	assert.Equal(t, "a1", s.Requests()[0].Header.Get("Approval"))

	kms = dial(t, double.Serve(t, double.Refuse(http.StatusForbidden, "approval_required")), nil)
	err := kms.BackupKey(t.Context(), "k", "", nil, &got)
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, "approval_required", problem.Code)
}
