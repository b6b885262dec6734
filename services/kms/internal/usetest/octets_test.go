package usetest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestOctets_AreEncryptedAndDecrypted(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		bind := kmstest.Encode([]byte(`{"record":"4711"}`))
		for _, content := range [][]byte{[]byte("hello"), {0}, {0xff, '\r', '\n'}, bytes.Repeat([]byte{0xa5}, kmstest.Inline)} {
			sealed := s.Octets(t, h.Token, "elastic-keys/"+h.SecretName+"/encrypt", kmstest.OctetStream, content, "Kms-Context", bind)
			require.Equal(t, http.StatusOK, sealed.Status, "%s", sealed.Body)
			assert.Equal(t, kmstest.JOSE, sealed.Header.Get("Content-Type"))
			assert.Equal(t, h.SecretID, sealed.Header.Get("Kms-Elastic-Key-Id"))
			assert.Equal(t, "2", sealed.Header.Get("Kms-Version"))
			for _, mediaType := range []string{kmstest.JOSE, kmstest.OctetStream} {
				opened := s.Octets(t, h.Token, "elastic-keys/"+h.SecretName+"/decrypt", mediaType, sealed.Body, "Kms-Context", bind)
				assert.Equal(t, kmstest.OctetStream, opened.Header.Get("Content-Type"))
				assert.Equal(t, content, opened.Body)
				assert.Equal(t, "2", opened.Header.Get("Kms-Version"))
			}
			// Both forms are of the same thing.
			opened := s.Post(t, h.Token, "elastic-keys/"+h.SecretName+"/decrypt",
				map[string]any{"ciphertext": string(sealed.Body), "context": map[string]string{"record": "4711"}})
			assert.Equal(t, kmstest.Encode(content), opened.Member(t, "plaintext"))
			for what, header := range map[string]string{"none": "", "another": kmstest.Encode([]byte(`{"record":"4712"}`))} {
				s.Octets(t, h.Token, "elastic-keys/"+h.SecretName+"/decrypt", kmstest.JOSE, sealed.Body, "Kms-Context", header).
					Refused(t, http.StatusBadRequest, "decryption_failed", what+" context")
			}
		}
		s.Octets(t, h.Token, "elastic-keys/"+h.SecretName+"/encrypt", kmstest.OctetStream, make([]byte, kmstest.Inline+1)).
			Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	})
}

func TestOctets_AcceptChoosesTheAnswer(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	path := "elastic-keys/" + h.Secret + "/encrypt"
	for accept, raw := range map[string]bool{
		"": true, "*/*": true, kmstest.JOSE: true, kmstest.OctetStream: true, "application/json": false, "Application/JSON;q=0.5": false,
		"application/json, application/jose": true, "text/plain": true,
	} {
		got := s.Octets(t, h.Token, path, kmstest.OctetStream, []byte("x"), "Accept", accept)
		assert.Equal(t, map[bool]string{true: kmstest.JOSE, false: "application/json"}[raw], got.Header.Get("Content-Type"), accept)
		want := raw && strings.Contains(accept, "jose") && !strings.Contains(accept, "json") || accept == kmstest.OctetStream
		got = s.Call(t, h.Token, http.MethodPost, path, `{"plaintext":""}`, "Accept", accept)
		assert.Equal(t, map[bool]string{true: kmstest.JOSE, false: "application/json"}[want], got.Header.Get("Content-Type"), accept)
	}
}

func TestOctets_AreSignedAndVerified(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		path, message := "elastic-keys/"+h.SignerName, []byte("a message\r\n")
		valid := func(got kmstest.Answer) any { return got.Object(t)["valid"] }
		signed := s.Octets(t, h.Token, path+"/sign", kmstest.OctetStream, message, "Kms-Typ", "cu-test+jws")
		assert.Equal(t, kmstest.JOSE, signed.Header.Get("Content-Type"))
		assert.Equal(t, "ES256", signed.Header.Get("Kms-Algorithm"))
		assert.Equal(t, "1", signed.Header.Get("Kms-Version"))
		checked := s.Octets(t, h.Token, path+"/verify", kmstest.JOSE, signed.Body, "Kms-Typ", "cu-test+jws")
		assert.JSONEq(t, fmt.Sprintf(`{"valid":true,"version":1,"payload":%q}`, kmstest.Encode(message)), string(checked.Body))
		assert.Equal(t, false, valid(s.Octets(t, h.Token, path+"/verify", kmstest.JOSE, signed.Body, "Kms-Typ", "other")))
		assert.Equal(t, true, valid(s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message, "Kms-Signature", string(signed.Body))))
		assert.Equal(t, false, valid(s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message[1:], "Kms-Signature", string(signed.Body))))

		for _, format := range []string{"der", "p1363"} {
			bare := s.Octets(t, h.Token, path+"/sign", kmstest.OctetStream, message, "Kms-Input", "message", "Kms-Format", format)
			assert.Equal(t, kmstest.OctetStream, bare.Header.Get("Content-Type"))
			shape := []string{"Kms-Input", "message", "Kms-Format", format, "Kms-Signature", kmstest.Encode(bare.Body)}
			assert.Equal(t, true, valid(s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message, shape...)))
			assert.Equal(t, true, valid(s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message, append(shape, "Kms-Version", "1")...)))
			assert.Equal(t, false, valid(s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message[1:], shape...)))
			s.Octets(t, h.Token, path+"/verify", kmstest.OctetStream, message, append(shape, "Kms-Version", "9")...).
				Refused(t, http.StatusNotFound, "not_found", "a version that is not there")
		}
	})
}

func TestOctets_HeadersAreReadStrictly(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for what, c := range map[string]struct {
		path, mediaType string
		header          []string
	}{
		"context that is not base64url":  {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", "{}"}},
		"context that is not JSON":       {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", kmstest.Encode([]byte("x"))}},
		"context with trailing data":     {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", kmstest.Encode([]byte("{}{}"))}},
		"context with a duplicate":       {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", kmstest.Encode([]byte(`{"a":"","a":""}`))}},
		"context with a number":          {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", kmstest.Encode([]byte(`{"a":1}`))}},
		"context that is a list":         {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", kmstest.Encode([]byte(`[]`))}},
		"context that is too long":       {h.Secret + "/encrypt", kmstest.OctetStream, []string{"Kms-Context", strings.Repeat("A", 16<<10+1)}},
		"context beside JSON":            {h.Secret + "/encrypt", "application/json", []string{"Kms-Context", kmstest.Encode([]byte("{}"))}},
		"format that nobody knows":       {h.Signer + "/sign", kmstest.OctetStream, []string{"Kms-Format", "pem"}},
		"input that nobody knows":        {h.Signer + "/sign", kmstest.OctetStream, []string{"Kms-Input", "file"}},
		"format and input that part":     {h.Signer + "/sign", kmstest.OctetStream, []string{"Kms-Format", "der"}},
		"typ beside JSON":                {h.Signer + "/sign", "application/json", []string{"Kms-Typ", "x"}},
		"verify without a signature":     {h.Signer + "/verify", kmstest.OctetStream, nil},
		"verify of a JWS and another":    {h.Signer + "/verify", kmstest.JOSE, []string{"Kms-Signature", h.JWS}},
		"verify of a JWS as bare":        {h.Signer + "/verify", kmstest.JOSE, []string{"Kms-Format", "der", "Kms-Input", "message"}},
		"verify with version 0":          {h.Signer + "/verify", kmstest.OctetStream, []string{"Kms-Signature", "AA", "Kms-Version", "0"}},
		"verify with a version in words": {h.Signer + "/verify", kmstest.OctetStream, []string{"Kms-Signature", "AA", "Kms-Version", "one"}},
	} {
		body := []byte("hello")
		if c.mediaType == "application/json" {
			body = []byte(`{"plaintext":""}`)
			if strings.HasSuffix(c.path, "sign") {
				body = []byte(`{"payload":""}`)
			}
		}
		got := s.Octets(t, h.Token, "elastic-keys/"+c.path, c.mediaType, body, c.header...)
		got.Refused(t, http.StatusBadRequest, "validation_failed", what)
	}
	twice := s.Request(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", bytes.NewReader([]byte("x")), "Content-Type", kmstest.OctetStream)
	twice.Header["Kms-Context"] = []string{kmstest.Encode([]byte(`{"a":"1"}`)), kmstest.Encode([]byte(`{"a":"2"}`))}
	s.Send(t, twice).Refused(t, http.StatusBadRequest, "validation_failed", "two contexts")
}
