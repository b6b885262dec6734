package httpapi

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Bodies that hot operations read by hand mean the same to the document's schema and encoding/json: what the document allows is read as
// encoding/json reads it, but for bytes that are not base64url, which only the domain sees; and what it refuses is not read.
func FuzzRead_IsWhatTheDocumentAndEncodingJSONSay(f *testing.F) {
	document, err := os.ReadFile("../../api/openapi.yaml")
	require.NoError(f, err)
	loaded, err := contract.Load(document)
	require.NoError(f, err)
	operations := map[string]*contract.Operation{}
	for _, op := range loaded.Operations() {
		operations[op.ID] = op
	}
	for _, seed := range []string{
		`{"plaintext":"aGVsbG8"}`, `{"plaintext":"aGVsbG8","context":{"a":"b","c":"\u00e9"}}`, `{"ciphertext":"a.b.c.d.e","context":{}}`,
		`{"payload":"","input":"message","format":"der"}`, `{"payload":"AA","typ":"JWT"}`, `{"payload":"AA","version":2}`, `{"signature":"a.b.c","payload":"AA","version":3}`,
		`{"payload":"AA","mac":"AA","version":1}`, `{"plaintext":"a","plaintext":"b"}`, `{"plaintext":"a"}x`, `{"plaintext":null}`, `{"version":1.0,"signature":""}`,
		`{"PLAINTEXT":"a"}`, `{"pl\u0061intext":"AA"}`, `{"context":{"a":1},"plaintext":""}`, `[]`, `null`, `{}`, `{"signature":"","version":9223372036854775808}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		compare(t, operations["encrypt"], body, readEncrypt, func(m EncryptRequest) (encryptAsk, error) {
			plaintext, err := apivalue.Decode("", m.Plaintext)
			return encryptAsk{plaintext, keyring.Context(apivalue.Of(m.Context))}, err
		})
		compare(t, operations["decrypt"], body, readDecrypt, func(m DecryptRequest) (decryptAsk, error) {
			return decryptAsk{m.Ciphertext, keyring.Context(apivalue.Of(m.Context))}, nil
		})
		compare(t, operations["sign"], body, readSign, func(m SignRequest) (keyring.SignRequest, error) {
			payload, err := apivalue.Decode("", m.Payload)
			input, format := shape(string(apivalue.Of(m.Input)), string(apivalue.Of(m.Format)))
			return keyring.SignRequest{Payload: payload, Input: input, Format: format, Type: apivalue.Of(m.Typ), Version: apivalue.Of(m.Version)}, err
		})
		compare(t, operations["verify"], body, readVerify, func(m VerifyRequest) (keyring.VerifyRequest, error) {
			ask := keyring.VerifyRequest{Signature: m.Signature, HasPayload: m.Payload != nil, Type: apivalue.Of(m.Typ), Version: apivalue.Of(m.Version)}
			ask.Input, ask.Format = shape(string(apivalue.Of(m.Input)), string(apivalue.Of(m.Format)))
			var err error
			if ask.HasPayload {
				ask.Payload, err = apivalue.Decode("", *m.Payload)
			}
			return ask, err
		})
		compare(t, operations["verifyMac"], body, readVerifyMAC, func(m VerifyMacRequest) (macAsk, error) {
			payload, err := apivalue.Decode("", m.Payload)
			return macAsk{payload, m.Mac, apivalue.Of(m.Version)}, err
		})
	})
}

func compare[M, I any](t *testing.T, op *contract.Operation, body []byte, read func([]byte) (I, error), generic func(M) (I, error)) {
	t.Helper()
	allowed := op.CheckBody("application/json", body)
	got, err := read(body)
	if allowed != nil {
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, allowed, &coded)
		if coded.ErrorCode() != "validation_failed" { // a rule of the schema, such as a length, is the document's alone
			assert.Error(t, err, "%s: %q: %v", op.ID, body, allowed)
		}
		return
	}
	var model M
	require.NoError(t, json.Unmarshal(body, &model), "%s: %q", op.ID, body)
	want, refused := generic(model)
	if refused != nil {
		assert.Error(t, err, "%s: %q", op.ID, body)
		return
	}
	require.NoError(t, err, "%s: %q", op.ID, body)
	assert.True(t, reflect.DeepEqual(normal(want), normal(got)), "%s: %q: %+v and %+v", op.ID, body, want, got)
}

// normal makes nothing and empty the same: a context without members is none.
func normal(ask any) string {
	return string(must(json.Marshal(fields(ask))))
}

func fields(ask any) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(ask)
	for i := range v.NumField() {
		field := v.Field(i)
		switch field.Kind() {
		case reflect.Slice:
			out[v.Type().Field(i).Name] = field.Bytes()
			if field.Len() == 0 {
				out[v.Type().Field(i).Name] = []byte{}
			}
		case reflect.Map:
			members := map[string]string{}
			for _, name := range field.MapKeys() {
				members[name.String()] = field.MapIndex(name).String()
			}
			out[v.Type().Field(i).Name] = members
		default:
			out[v.Type().Field(i).Name] = field.String()
			if field.CanInt() {
				out[v.Type().Field(i).Name] = field.Int()
			}
			if field.Kind() == reflect.Bool {
				out[v.Type().Field(i).Name] = field.Bool()
			}
		}
	}
	return out
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}
