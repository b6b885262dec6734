package kms_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// octets asks for an operation with a body that is not JSON.
func (s *service) octets(t testing.TB, token, path, mediaType string, body []byte, header ...string) answer {
	t.Helper()
	return s.call(t, token, http.MethodPost, path, bytes.NewReader(body), append([]string{"Content-Type", mediaType}, header...)...)
}

const (
	octetStream = "application/octet-stream"
	jose        = "application/jose"
)

func TestOctets_AreEncryptedAndDecrypted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		bind := encode([]byte(`{"record":"4711"}`))
		for _, content := range [][]byte{[]byte("hello"), {0}, {0xff, '\r', '\n'}, bytes.Repeat([]byte{0xa5}, inline)} {
			sealed := s.octets(t, h.token, "elastic-keys/"+h.secretName+"/encrypt", octetStream, content, "Kms-Context", bind)
			require.Equal(t, http.StatusOK, sealed.status, "%s", sealed.body)
			assert.Equal(t, jose, sealed.header.Get("Content-Type"))
			assert.Equal(t, h.secretID, sealed.header.Get("Kms-Elastic-Key-Id"))
			assert.Equal(t, "2", sealed.header.Get("Kms-Version"))
			for _, mediaType := range []string{jose, octetStream} {
				opened := s.octets(t, h.token, "elastic-keys/"+h.secretName+"/decrypt", mediaType, sealed.body, "Kms-Context", bind)
				assert.Equal(t, octetStream, opened.header.Get("Content-Type"))
				assert.Equal(t, content, opened.body)
				assert.Equal(t, "2", opened.header.Get("Kms-Version"))
			}
			// Both forms are of the same thing.
			opened := s.post(t, h.token, "elastic-keys/"+h.secretName+"/decrypt",
				map[string]any{"ciphertext": string(sealed.body), "context": map[string]string{"record": "4711"}})
			assert.Equal(t, encode(content), opened.member(t, "plaintext"))
			for what, header := range map[string]string{"none": "", "another": encode([]byte(`{"record":"4712"}`))} {
				s.octets(t, h.token, "elastic-keys/"+h.secretName+"/decrypt", jose, sealed.body, "Kms-Context", header).
					refused(t, http.StatusBadRequest, "decryption_failed", what+" context")
			}
		}
		s.octets(t, h.token, "elastic-keys/"+h.secretName+"/encrypt", octetStream, make([]byte, inline+1)).
			refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	})
}

func TestOctets_AcceptChoosesTheAnswer(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	path := "elastic-keys/" + h.secret + "/encrypt"
	for accept, raw := range map[string]bool{
		"": true, "*/*": true, jose: true, octetStream: true, "application/json": false, "Application/JSON;q=0.5": false,
		"application/json, application/jose": true, "text/plain": true,
	} {
		got := s.octets(t, h.token, path, octetStream, []byte("x"), "Accept", accept)
		assert.Equal(t, map[bool]string{true: jose, false: "application/json"}[raw], got.header.Get("Content-Type"), accept)
		want := raw && strings.Contains(accept, "jose") && !strings.Contains(accept, "json") || accept == octetStream
		got = s.call(t, h.token, http.MethodPost, path, `{"plaintext":""}`, "Accept", accept)
		assert.Equal(t, map[bool]string{true: jose, false: "application/json"}[want], got.header.Get("Content-Type"), accept)
	}
}

func TestOctets_AreSignedAndVerified(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		path, message := "elastic-keys/"+h.signerName, []byte("a message\r\n")
		valid := func(got answer) any { return got.object(t)["valid"] }
		signed := s.octets(t, h.token, path+"/sign", octetStream, message, "Kms-Typ", "cu-test+jws")
		assert.Equal(t, jose, signed.header.Get("Content-Type"))
		assert.Equal(t, "ES256", signed.header.Get("Kms-Algorithm"))
		assert.Equal(t, "1", signed.header.Get("Kms-Version"))
		checked := s.octets(t, h.token, path+"/verify", jose, signed.body, "Kms-Typ", "cu-test+jws")
		assert.JSONEq(t, fmt.Sprintf(`{"valid":true,"version":1,"payload":%q}`, encode(message)), string(checked.body))
		assert.Equal(t, false, valid(s.octets(t, h.token, path+"/verify", jose, signed.body, "Kms-Typ", "other")))
		assert.Equal(t, true, valid(s.octets(t, h.token, path+"/verify", octetStream, message, "Kms-Signature", string(signed.body))))
		assert.Equal(t, false, valid(s.octets(t, h.token, path+"/verify", octetStream, message[1:], "Kms-Signature", string(signed.body))))

		for _, format := range []string{"der", "p1363"} {
			bare := s.octets(t, h.token, path+"/sign", octetStream, message, "Kms-Input", "message", "Kms-Format", format)
			assert.Equal(t, octetStream, bare.header.Get("Content-Type"))
			shape := []string{"Kms-Input", "message", "Kms-Format", format, "Kms-Signature", encode(bare.body)}
			assert.Equal(t, true, valid(s.octets(t, h.token, path+"/verify", octetStream, message, shape...)))
			assert.Equal(t, true, valid(s.octets(t, h.token, path+"/verify", octetStream, message, append(shape, "Kms-Version", "1")...)))
			assert.Equal(t, false, valid(s.octets(t, h.token, path+"/verify", octetStream, message[1:], shape...)))
			s.octets(t, h.token, path+"/verify", octetStream, message, append(shape, "Kms-Version", "9")...).
				refused(t, http.StatusNotFound, "not_found", "a version that is not there")
		}
	})
}

func TestOctets_HeadersAreReadStrictly(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	for what, c := range map[string]struct {
		path, mediaType string
		header          []string
	}{
		"context that is not base64url":  {h.secret + "/encrypt", octetStream, []string{"Kms-Context", "{}"}},
		"context that is not JSON":       {h.secret + "/encrypt", octetStream, []string{"Kms-Context", encode([]byte("x"))}},
		"context with trailing data":     {h.secret + "/encrypt", octetStream, []string{"Kms-Context", encode([]byte("{}{}"))}},
		"context with a duplicate":       {h.secret + "/encrypt", octetStream, []string{"Kms-Context", encode([]byte(`{"a":"","a":""}`))}},
		"context with a number":          {h.secret + "/encrypt", octetStream, []string{"Kms-Context", encode([]byte(`{"a":1}`))}},
		"context that is a list":         {h.secret + "/encrypt", octetStream, []string{"Kms-Context", encode([]byte(`[]`))}},
		"context that is too long":       {h.secret + "/encrypt", octetStream, []string{"Kms-Context", strings.Repeat("A", 16<<10+1)}},
		"context beside JSON":            {h.secret + "/encrypt", "application/json", []string{"Kms-Context", encode([]byte("{}"))}},
		"format that nobody knows":       {h.signer + "/sign", octetStream, []string{"Kms-Format", "pem"}},
		"input that nobody knows":        {h.signer + "/sign", octetStream, []string{"Kms-Input", "file"}},
		"format and input that part":     {h.signer + "/sign", octetStream, []string{"Kms-Format", "der"}},
		"typ beside JSON":                {h.signer + "/sign", "application/json", []string{"Kms-Typ", "x"}},
		"verify without a signature":     {h.signer + "/verify", octetStream, nil},
		"verify of a JWS and another":    {h.signer + "/verify", jose, []string{"Kms-Signature", h.jws}},
		"verify of a JWS as bare":        {h.signer + "/verify", jose, []string{"Kms-Format", "der", "Kms-Input", "message"}},
		"verify with version 0":          {h.signer + "/verify", octetStream, []string{"Kms-Signature", "AA", "Kms-Version", "0"}},
		"verify with a version in words": {h.signer + "/verify", octetStream, []string{"Kms-Signature", "AA", "Kms-Version", "one"}},
	} {
		body := []byte("hello")
		if c.mediaType == "application/json" {
			body = []byte(`{"plaintext":""}`)
			if strings.HasSuffix(c.path, "sign") {
				body = []byte(`{"payload":""}`)
			}
		}
		got := s.octets(t, h.token, "elastic-keys/"+c.path, c.mediaType, body, c.header...)
		got.refused(t, http.StatusBadRequest, "validation_failed", what)
	}
	twice := s.request(t, h.token, http.MethodPost, "elastic-keys/"+h.secret+"/encrypt", bytes.NewReader([]byte("x")), "Content-Type", octetStream)
	twice.Header["Kms-Context"] = []string{encode([]byte(`{"a":"1"}`)), encode([]byte(`{"a":"2"}`))}
	s.send(t, twice).refused(t, http.StatusBadRequest, "validation_failed", "two contexts")
}
