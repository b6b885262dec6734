package platformtest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// bodies are, for each operation that takes a body, the path, a good body without its closing brace, and one of its members.
func bodies(h kmstest.Holding) map[string][3]string {
	return map[string][3]string{
		"create":  {"elastic-keys", `{"name":"body","algorithm":"ES256"`, "algorithm"},
		"encrypt": {"elastic-keys/" + h.Secret + "/encrypt", `{"plaintext":"aGVsbG8"`, "plaintext"},
		"decrypt": {"elastic-keys/" + h.Secret + "/decrypt", `{"ciphertext":"` + h.Ciphertext + `"`, "ciphertext"},
		"sign":    {"elastic-keys/" + h.Signer + "/sign", `{"payload":"aGVsbG8"`, "payload"},
		"verify":  {"elastic-keys/" + h.Signer + "/verify", `{"signature":"` + h.JWS + `"`, "signature"},

		"mac":         {"elastic-keys/" + h.MACKey + "/mac", `{"payload":"aGVsbG8"`, "payload"},
		"verify-mac":  {"elastic-keys/" + h.MACKey + "/verify-mac", `{"mac":"` + h.MAC + `","payload":"aGVsbG8"`, "payload"},
		"reencrypt":   {"elastic-keys/" + h.Secret + "/reencrypt", `{"ciphertext":"` + h.Ciphertext + `"`, "ciphertext"},
		"wrap":        {"elastic-keys/" + h.Secret + "/wrap", `{"key":"aGVsbG8"`, "key"},
		"unwrap":      {"elastic-keys/" + h.Secret + "/unwrap", `{"wrapped":"` + h.Wrapped + `"`, "wrapped"},
		"generate":    {"elastic-keys/" + h.Secret + "/generate", `{"algorithm":"ES256"`, "algorithm"},
		"decapsulate": {"elastic-keys/" + h.KEMKey + "/decapsulate", `{"ciphertext":"` + h.Encapsulated + `"`, "ciphertext"},
	}
}

func TestBody_IsReadStrictly(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	const tooDeep = 200
	for name, parts := range bodies(h) {
		path, open, member := parts[0], parts[1], parts[2]
		title := strings.ToUpper(member[:1]) + member[1:]
		escaped := fmt.Sprintf(`\u%04x%s`, member[0], member[1:]) // the same name, spelled with an escape
		for what, c := range map[string]struct{ body, code string }{
			"unknown member":                    {open + `,"unknown":1}`, "unknown_member"},
			"member of another operation":       {open + `,"key_ops":[]}`, "unknown_member"},
			"member in upper case":              {open + `,"` + strings.ToUpper(member) + `":"x"}`, "unknown_member"},
			"member in title case alone":        {`{"` + title + `":"aGVsbG8"}`, "unknown_member"},
			"member with a long s":              {`{"ſignature":"x"}`, "unknown_member"},
			"empty name":                        {open + `,"":1}`, "unknown_member"},
			"name with an end":                  {open + `,"` + member + `\u0000":"x"}`, "unknown_member"},
			"duplicate member":                  {open + `,"` + member + `":"x"}`, "duplicate_member"},
			"duplicate with the same value":     {open + `,` + open[1:] + `}`, "duplicate_member"},
			"duplicate by escape":               {open + `,"` + escaped + `":"x"}`, "duplicate_member"},
			"second value":                      {open + `}{}`, "trailing_data"},
			"second brace":                      {open + `}}`, "trailing_data"},
			"trailing text":                     {open + `} x`, "trailing_data"},
			"trailing end":                      {open + "}\x00", "trailing_data"},
			"open object":                       {open, "bad_request"},
			"trailing comma":                    {open + `,}`, "bad_request"},
			"comment":                           {open + `/**/}`, "bad_request"},
			"byte order mark":                   {"\ufeff" + open + `}`, "bad_request"},
			"UTF-16":                            {"{\x00\"\x00", "bad_request"},
			"not UTF-8 in a value":              {`{"` + member + "\":\"\xff\"}", "bad_request"},
			"overlong UTF-8":                    {`{"` + member + "\":\"\xc0\x80\"}", "bad_request"},
			"surrogate in UTF-8":                {`{"` + member + "\":\"\xed\xa0\x80\"}", "bad_request"},
			"lone surrogate":                    {`{"` + member + `":"\ud800"}`, "bad_request"},
			"lone low surrogate":                {`{"` + member + `":"\udc00\ud800"}`, "bad_request"},
			"lone surrogate in an unknown name": {`{"\ud83d":1}`, "bad_request"},
			"deep arrays":                       {`{"` + member + `":` + strings.Repeat("[", tooDeep) + strings.Repeat("]", tooDeep) + "}", "bad_request"},
			"deep objects":                      {strings.Repeat(`{"`+member+`":`, tooDeep) + "1" + strings.Repeat("}", tooDeep), "bad_request"},
			"endless array":                     {`{"` + member + `":` + strings.Repeat("[", 50_000), "bad_request"},
			"number":                            {`{"` + member + `":1}`, "validation_failed"},
			"null":                              {`{"` + member + `":null}`, "validation_failed"},
			"array":                             {`{"` + member + `":["x"]}`, "validation_failed"},
			"object":                            {`{"` + member + `":{}}`, "validation_failed"},
			"nothing":                           {`{}`, "validation_failed"},
			"text":                              {`"x"`, "validation_failed"},
			"list":                              {`[` + open + `}]`, "validation_failed"},
			"null alone":                        {`null`, "validation_failed"},
			"space":                             {" ", "bad_request"},
			"a number alone":                    {"1e999999", "validation_failed"},
		} {
			got := s.Call(t, h.Token, http.MethodPost, path, c.body)
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", name, what)
			code := got.Member(t, "code")
			if strings.HasPrefix(what, "deep") || what == "object" {
				assert.Contains(t, []string{"bad_request", "unknown_member", "validation_failed"}, code, "%s: %s: %s", name, what, got.Body)
				continue
			}
			assert.Equal(t, c.code, code, "%s: %s: %s", name, what, got.Body)
		}
	}
	assert.Len(t, s.Get(t, h.Token, "elastic-keys").Items(t), 6, "nothing was created")
}

func TestBody_HasItsMediaType(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	path, open := bodies(h)["sign"][0], bodies(h)["sign"][1]+"}"
	for _, mediaType := range []string{
		"", "text/plain", "text/json", "application/jsonx", "application/json; charset=latin1",
		"application/json, text/plain", "application/problem+json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"*/*", "application/octet", "application/json;", "application /json", "application/json; x=y",
	} {
		got := s.Call(t, h.Token, http.MethodPost, path, open, "Content-Type", mediaType)
		if mediaType == "application/json;" { // an empty list of parameters is none (RFC 9110 section 5.6.6)
			assert.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
			continue
		}
		got.Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", mediaType)
	}
	for _, mediaType := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`} {
		s.Post(t, h.Token, path, open, "Content-Type", mediaType)
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "identity, gzip"} {
		s.Call(t, h.Token, http.MethodPost, path, open, "Content-Encoding", encoding).
			Refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type", encoding)
	}
}

func TestBody_StandsOnlyWhereTheOperationTakesOne(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	chunked := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) } // of a length that is not known before
	h = h.Renewing(t, s)
	for _, op := range kmstest.Operations(t) {
		if op.StepUp {
			continue // which is refused before
		}
		for _, ask := range kmstest.Asks()[op.ID](h) {
			if op.TakesBody() {
				s.Call(t, h.Token, op.Method, ask.Path, nil).Refused(t, http.StatusBadRequest, "bad_request", op.ID+" without a body")
				s.Call(t, h.Token, op.Method, ask.Path, chunked("")).Refused(t, http.StatusBadRequest, "bad_request", op.ID+" with an empty body")
				continue
			}
			for _, body := range []any{"{}", " ", chunked("{}"), bytes.NewReader(make([]byte, 100_000))} {
				s.Call(t, h.Token, op.Method, ask.Path, body).Refused(t, http.StatusBadRequest, "bad_request", op.ID+" with a body")
			}
			s.Call(t, h.Token, op.Method, ask.Path, chunked("")).Fulfilled(t, op, "an empty body is none")
		}
	}
}
