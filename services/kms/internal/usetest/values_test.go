package usetest_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Bytes have one spelling: base64url, without padding, without line ends, without stray bits (RFC 4648 sections 3.3 and 3.5).
func TestBytes_HaveOneSpelling(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for what, text := range map[string]string{
		"padding":           "aGVsbG8=",
		"stray bits":        "aGVsbG9",
		"stray bits of two": "aGVsbB",
		"standard alphabet": "+/+/",
		"length of none":    "aGVsb",
		"line end":          "aGVs\nbG8",
		"line end last":     "aGVsbG8\n",
		"carriage return":   "aGVs\rbG8",
		"space":             "aGVs bG8",
		"only padding":      "=",
		"only a line end":   "\n",
		"beyond ASCII":      "aGVsbG８",
		"end of text":       "aGVs\x00",
		"percent":           "aGVs%62",
	} {
		raw := map[string]any{"input": "message", "format": "der"}
		for operation, ask := range map[string]kmstest.Ask{
			"encrypt":    {Path: "elastic-keys/" + h.Secret + "/encrypt", Body: map[string]any{"plaintext": text}},
			"sign":       {Path: "elastic-keys/" + h.Signer + "/sign", Body: map[string]any{"payload": text}},
			"sign raw":   {Path: "elastic-keys/" + h.Signer + "/sign", Body: kmstest.Merge(raw, map[string]any{"payload": text})},
			"verify":     {Path: "elastic-keys/" + h.Signer + "/verify", Body: map[string]any{"signature": h.JWS, "payload": text}},
			"verify raw": {Path: "elastic-keys/" + h.Signer + "/verify", Body: kmstest.Merge(raw, map[string]any{"signature": h.Raw, "payload": text})},
		} {
			got := s.Call(t, h.Token, http.MethodPost, ask.Path, ask.Body)
			if assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s: %s", operation, what, got.Body) {
				assert.Equal(t, "validation_failed", got.Member(t, "code"), "%s: %s", operation, what)
			}
		}
	}
	// In a signature or a ciphertext another spelling is another text, which is not valid.
	bare := kmstest.Merge(map[string]any{"input": "message", "format": "der"}, map[string]any{"payload": "aGVsbG8"})
	for _, signature := range []string{h.Raw + "=", h.Raw + "\n", h.Raw[:8] + "\n" + h.Raw[8:], " " + h.Raw, h.Raw + "A", "", "."} {
		got := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", kmstest.Merge(bare, map[string]any{"signature": signature}))
		assert.Equal(t, false, got.Object(t)["valid"], "%q", signature)
	}
	assert.Equal(t, true, s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", kmstest.Merge(bare, map[string]any{"signature": h.Raw})).Object(t)["valid"])
	for _, spoil := range []func(string) string{
		func(m string) string { return m + "=" },
		func(m string) string { return m + "\n" },
		func(m string) string { return " " + m },
		func(m string) string { return strings.Replace(m, ".", ".\n", 1) },
		func(m string) string { return strings.Replace(m, ".", "=.", 1) },
		func(m string) string { return m + "." },
		func(m string) string { return m + "A" },
		strings.ToUpper,
		func(m string) string { return m[:len(m)-1] },
		func(m string) string { return m[:len(m)-1] + kmstest.NextLetter(m[len(m)-1]) }, // the unused bits of the last letter
		func(string) string { return "" },
		func(string) string { return "...." },
		func(m string) string { return strings.Repeat(m[:strings.Index(m, ".")+1], 5) },
	} {
		jws := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", map[string]any{"signature": spoil(h.JWS)})
		assert.Equal(t, false, jws.Object(t)["valid"], "%q", spoil(h.JWS))
		s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": spoil(h.Ciphertext)}).
			Refused(t, http.StatusBadRequest, "decryption_failed", spoil(h.Ciphertext))
	}
}

func TestContext_BindsExactlyWhatWasGiven(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	seal := func(context string) string {
		return s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt", `{"plaintext":"aGVsbG8","context":`+context+`}`).Member(t, "ciphertext")
	}
	open := func(ciphertext, context string) kmstest.Answer {
		return s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/decrypt", `{"ciphertext":"`+ciphertext+`","context":`+context+`}`)
	}
	for _, same := range [][2]string{
		{`{"a":"1","b":"2"}`, `{ "b" : "2", "\u0061" : "\u0031" }`},
		{`{"é":"ü"}`, `{"\u00e9":"\u00fc"}`},
		{`{"😀":"\ud83d\ude00"}`, `{"\ud83d\ude00":"😀"}`},
		{`{"a":"/"}`, `{"a":"\/"}`},
		{`{}`, `{}`},
		{`{"a":""}`, `{"a":""}`},
	} {
		got := open(seal(same[0]), same[1])
		assert.Equal(t, http.StatusOK, got.Status, "%s is %s: %s", same[0], same[1], got.Body)
	}
	for _, other := range [][2]string{
		{`{"a":"1"}`, `{}`},
		{`{}`, `{"a":"1"}`},
		{`{"a":"1"}`, `{"a":"2"}`},
		{`{"a":"1"}`, `{"A":"1"}`},
		{`{"a":"1","b":"2"}`, `{"a":"1"}`},
		{`{"a":"1,\"b\":\"2"}`, `{"a":"1","b":"2"}`},
		{`{"a":"1"}`, `{"a":"1 "}`},
		{`{"é":"1"}`, `{"e\u0301":"1"}`},
		{`{"a":""}`, `{}`},
		{`{"a":"1"}`, `{"a":"1","b":""}`},
	} {
		open(seal(other[0]), other[1]).Refused(t, http.StatusBadRequest, "decryption_failed", other[0]+" is not "+other[1])
	}
	members := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`"m%d":"v"`, i))
		}
		return "{" + strings.Join(out, ",") + "}"
	}
	for what, context := range map[string]string{
		"lone surrogate in a name":  `{"\ud800":"1"}`,
		"lone surrogate in a value": `{"a":"\udfff"}`,
		"not UTF-8":                 "{\"a\":\"\xff\"}",
		"duplicate":                 `{"a":"1","a":"1"}`,
		"duplicate by escape":       `{"a":"1","\u0061":"2"}`,
		"number":                    `{"a":1}`,
		"null":                      `{"a":null}`,
		"nested":                    `{"a":{"b":"c"}}`,
		"list":                      `["a"]`,
		"no object":                 `null`,
		"text":                      `"a"`,
		"empty name":                `{"":"1"}`,
		"33 members":                members(33),
		"long value":                `{"a":"` + strings.Repeat("v", 1025) + `"}`,
		"long name":                 `{"` + strings.Repeat("n", 1025) + `":"v"}`,
	} {
		got := s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", `{"plaintext":"","context":`+context+`}`)
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", what, got.Body)
		assert.Equal(t, http.StatusBadRequest, open(h.Ciphertext, context).Status, what)
	}
	assert.Equal(t, http.StatusOK, open(seal(members(32)), members(32)).Status)
	long := `{"` + strings.Repeat("n", 1024) + `":"` + strings.Repeat("v", 1024) + `"}`
	assert.Equal(t, http.StatusOK, open(seal(long), long).Status)
}

// hostile are texts that something between the request and the database might choke on.
var hostile = map[string]string{
	"end of text":       "a\x00b",
	"not UTF-8":         "a\xffb",
	"cut UTF-8":         "a\xc3",
	"surrogate":         "\xed\xa0\x80",
	"line end":          "a\r\nb",
	"quote":             `' OR '1'='1`,
	"placeholder":       "$1",
	"format":            "%s%n%d",
	"escape":            `\u0000`,
	"only slashes":      "///",
	"dots":              "..",
	"right to left":     "\u202e\u2066",
	"not a character":   "\uffff\U0010ffff",
	"semicolon":         "a;b",
	"plus and space":    "a+b c",
	"wildcards":         "%_*?",
	"one too long":      strings.Repeat("a", 64),
	"very long":         strings.Repeat("a", 8000),
	"uuid with a brace": "{0198c8e0-0000-7000-8000-000000000000}",
	"urn":               "urn:uuid:0198c8e0-0000-7000-8000-000000000000",
	"nil uuid":          "00000000-0000-0000-0000-000000000000",
	"uuid without dash": "0198c8e0000070008000000000000000",
	"almost a uuid":     "0198c8e0-0000-7000-8000-00000000000g",
}

func TestHostileTexts_AreNeverAFaultOfTheService(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		for what, text := range hostile {
			escaped := kmstest.EscapeAll(text)
			for _, op := range kmstest.Operations(t) {
				evil := h
				evil.Secret, evil.Signer, evil.Imported, evil.MACKey, evil.KEMKey, evil.DeriveKey = escaped, escaped, escaped, escaped, escaped, escaped
				if !strings.Contains(op.Path, "{id}") || op.StepUp {
					continue
				}
				for _, ask := range kmstest.Asks()[op.ID](evil) {
					got := s.Call(t, h.Token, op.Method, ask.Path, ask.Body)
					assert.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, got.Status, "%s: %s: %s", op.ID, what, got.Body)
				}
			}
			for _, path := range []string{
				"elastic-keys/" + h.Secret + "/material-keys/" + escaped,
				"elastic-keys?name=" + escaped,
				"elastic-keys?algorithm=" + escaped,
				"elastic-keys?status=" + escaped,
				"elastic-keys?cursor=" + escaped,
				"elastic-keys?limit=" + escaped,
				"elastic-keys?" + escaped + "=1",
				"elastic-keys/" + h.Secret + "/material-keys?cursor=" + escaped,
				"elastic-keys/" + h.Signer + "/public-key?version=" + escaped,
				escaped,
			} {
				got := s.Call(t, h.Token, http.MethodGet, path, nil)
				assert.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusNotFound}, got.Status, "%s: %s: %s", path, what, got.Body)
			}
			for _, member := range []string{"name", "algorithm", "curve", "description"} {
				body := map[string]any{"name": "hostile-" + strings.ToLower(rand.Text()), "algorithm": "ES256"}
				body[member] = strings.ToValidUTF8(text, "\ufffd")
				got := s.Call(t, h.Token, http.MethodPost, "elastic-keys", body)
				if got.Status == http.StatusCreated {
					assert.Equal(t, body[member], got.Member(t, member), what)
					again := s.Get(t, h.Token, "elastic-keys/"+got.Member(t, "id"))
					assert.Equal(t, body[member], again.Member(t, member), what)
				}
				fits := member == "name" && slices.Contains(harmlessNames, what) ||
					member == "description" && what != "end of text" && what != "very long"
				assert.Equal(t, fits, got.Status == http.StatusCreated, "%s: %s: %s", member, what, got.Body)
				assert.Contains(t, []int{http.StatusCreated, http.StatusBadRequest}, got.Status, "%s: %s: %s", member, what, got.Body)
			}
		}
	})
}

// What goes into a header of JOSE comes out of it as it was, whatever it is.
func TestHostileTexts_ComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for what, text := range hostile {
		text = strings.ToValidUTF8(text, "\ufffd")
		signed := s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Signer+"/sign", map[string]any{"payload": "aGVsbG8", "typ": text})
		if utf8.RuneCountInString(text) > 64 {
			signed.Refused(t, http.StatusBadRequest, "validation_failed", what)
		} else if assert.Equal(t, http.StatusOK, signed.Status, "%s: %s", what, signed.Body) {
			token := signed.Member(t, "signature")
			assert.Equal(t, text, kmstest.Protected(t, token)["typ"], what)
			verified := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", map[string]any{"signature": token, "typ": text})
			assert.Equal(t, true, verified.Object(t)["valid"], what)
		}
		bind := map[string]string{text: text}
		sealed := s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8", "context": bind})
		if len(text) > 1024 {
			sealed.Refused(t, http.StatusBadRequest, "validation_failed", what)
			continue
		}
		opened := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext"), "context": bind})
		assert.Equal(t, "aGVsbG8", opened.Member(t, "plaintext"), what)
	}
}

// harmlessNames are the hostile texts that a key may have for its name.
var harmlessNames = []string{"uuid without dash", "almost a uuid"}

func TestRequestBytes_AreWhatTheAnswerHolds(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, size := range []int{0, 1, 2, 3, 15, 16, 17, 1000, 64 << 10} {
		plaintext := make([]byte, size)
		for i := range plaintext {
			plaintext[i] = byte(i * 7)
		}
		text := base64.RawURLEncoding.EncodeToString(plaintext)
		sealed := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": text})
		opened := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext")})
		assert.Equal(t, text, opened.Member(t, "plaintext"), size)
		signed := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/sign", map[string]any{"payload": text})
		verified := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", map[string]any{"signature": signed.Member(t, "signature")})
		assert.Equal(t, true, verified.Object(t)["valid"], size)
		assert.Equal(t, text, verified.Member(t, "payload"), size)
	}
}
