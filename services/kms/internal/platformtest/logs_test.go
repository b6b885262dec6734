package platformtest_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// canaries are texts that must not come out anywhere, by what they are.
type canaries map[string]string

// add makes a new one.
func (c canaries) add(what string) string {
	c[what] = "canary" + hex.EncodeToString([]byte(rand.Text()))[:32] // no letters that make a word which an answer must not hold
	return c[what]
}

// keep has a text that exists already looked for as well.
func (c canaries) keep(what, text string) string {
	c[what] = text
	return text
}

// absent looks for every canary in a text, in every form that it is likely to take.
func (c canaries) absent(t *testing.T, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for what, canary := range c {
		for form, shown := range map[string]string{
			"as it is":        canary,
			"in base64url":    base64.RawURLEncoding.EncodeToString([]byte(canary)),
			"in base64":       base64.StdEncoding.EncodeToString([]byte(canary)),
			"in hex":          hex.EncodeToString([]byte(canary)),
			"in Go syntax":    fmt.Sprint([]byte(canary)),
			"in Go's hex":     fmt.Sprintf("% x", canary),
			"in a query":      kmstest.EscapeAll(canary),
			"its second half": canary[len(canary)/2:],
		} {
			if strings.Contains(text, strings.ToLower(shown)) { // the assertion would show both
				t.Errorf("the log holds the %s, %s", what, form)
			}
		}
	}
}

// privateMember is a member of a private JWK (RFC 7518 section 6) in JSON or in a dump of a map.
var privateMember = regexp.MustCompile(`\\?"(d|p|q|dp|dq|qi|k)\\?"\s*:|\b(d|p|q|dp|dq|qi|k):[A-Za-z0-9_-]{20}|PRIVATE KEY`)

func TestLogs_HoldNothingSecret(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			cfg.Telemetry.LogLevel = "debug"
			s := kmstest.Run(t, cfg, files)
			secrets := canaries{}
			token := s.Operator(t)
			driveEverything(t, s, token, secrets)
			driveFaults(t, s, token, secrets)
			secrets.keep("token", token)
			for what, file := range map[string]string{"unseal secret": "secrets/unseal", "pepper": "secrets/pepper", "admin token": "admin.token"} {
				content, err := os.ReadFile(filepath.Join(cfg.DataDir.String(), file))
				require.NoError(t, err)
				secrets.keep(what, strings.TrimSpace(string(content)))
			}
			logs := s.Logs.String()
			for _, said := range []string{
				`"msg":"request"`, `"route":"/service/api/v1/elastic-keys/{id}/encrypt"`, `"level":"DEBUG"`, `"code":"decryption_failed"`, `"msg":"request failed"`,
				`"code":"integrity_failed"`, `"msg":"sealed by an operator"`, `"status":401`, `"status":413`,
			} {
				assert.Contains(t, logs, said, "this test has something to look at")
			}
			secrets.absent(t, logs)
			assert.NotContains(t, logs, "eyJ", "a message of JOSE")
			assert.NotRegexp(t, privateMember, logs)
			if t.Failed() {
				t.Log(logs)
			}
		})
	}
}

// driveEverything uses every operation with canaries wherever a caller can put something.
func driveEverything(t *testing.T, s *kmstest.Service, token string, c canaries) {
	t.Helper()
	secret := c.keep("client secret", s.Enroll(t, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "client", Scopes: []string{"kms:admin"}}))
	header := []string{
		"User-Agent", c.add("User-Agent"), "Cookie", c.add("Cookie") + "=" + c.add("cookie value"), "Referer", "https://" + c.add("Referer"),
		kmstest.IdempotencyKey, c.add("Idempotency-Key"), "X-Forwarded-For", c.add("X-Forwarded-For"), "X-Request-Id", c.add("X-Request-Id"),
		"Tracestate", "a=" + c.add("tracestate"), "Baggage", "a=" + c.add("baggage"),
	}
	for _, algorithm := range []string{"A256GCM/A256KW", "A256GCM/dir", "A256GCM/ECDH-ES+A256KW", "ES256", "Ed25519", "HS256"} {
		name := "key-" + c.add("name of "+algorithm)
		s.Post(t, token, "elastic-keys", map[string]any{"name": name, "description": c.add("description"), "algorithm": algorithm}, header[:6]...)
		path := "elastic-keys/" + name
		s.Post(t, token, path+"/rotate", nil, header...)
		for _, below := range []string{"", "/material-keys", "/material-keys/1", "/public-key"} {
			s.Call(t, token, http.MethodGet, path+below, nil, header...)
		}
		text := kmstest.Encode([]byte(c.add("plaintext or payload of " + algorithm)))
		if strings.Contains(algorithm, "/") {
			bind := map[string]string{c.add("context name"): c.add("context value")}
			sealed := s.Post(t, token, path+"/encrypt", map[string]any{"plaintext": text, "context": bind}, header...)
			s.Post(t, token, path+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext"), "context": bind}, header...)
			s.Call(t, token, http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext")}, header...)
			s.Call(t, token, http.MethodPost, path+"/sign", map[string]any{"payload": text}, header...)
			continue
		}
		signed := s.Post(t, token, path+"/sign", map[string]any{"payload": text, "typ": c.add("typ")}, header...)
		s.Post(t, token, path+"/verify", map[string]any{"signature": signed.Member(t, "signature")}, header...)
		s.Post(t, token, path+"/verify", map[string]any{"signature": signed.Member(t, "signature"), "payload": text, "typ": c.add("other typ")}, header...)
		s.Call(t, token, http.MethodPost, path+"/encrypt", map[string]any{"plaintext": text}, header...)
		for _, format := range []string{"p1363", "der", "raw"} {
			s.Call(t, token, http.MethodPost, path+"/sign", map[string]any{"payload": text, "input": "message", "format": format}, header...)
			s.Call(t, token, http.MethodPost, path+"/sign", map[string]any{"payload": text, "input": "digest", "format": format}, header...)
		}
	}
	request := s.Request(t, "", http.MethodGet, "self", nil)
	request.SetBasicAuth("client", secret)
	s.Send(t, request)
	list := s.Get(t, token, "elastic-keys?limit=1")
	s.Get(t, token, kmstest.Query("elastic-keys", "cursor", c.keep("cursor", list.Member(t, "next_cursor"))))
	s.Get(t, token, kmstest.Query("elastic-keys", "name", c.add("name filter"), "algorithm", c.add("algorithm filter")))
}

// driveFaults sends what is refused, and what makes the service fail.
func driveFaults(t *testing.T, s *kmstest.Service, token string, c canaries) {
	t.Helper()
	for _, q := range [][2]string{{c.add("query name"), c.add("query value")}, {"cursor", c.add("bad cursor")}, {"limit", c.add("bad limit")}, {"status", c.add("status")}} {
		s.Call(t, token, http.MethodGet, kmstest.Query("elastic-keys", q[0], q[1]), nil)
	}
	s.Call(t, token, http.MethodGet, c.add("unknown path"), nil)
	s.Call(t, token, http.MethodGet, "elastic-keys/"+c.add("unknown key")+"/material-keys/"+c.add("unknown version"), nil)
	s.Call(t, token, http.MethodGet, "/"+c.add("outside"), nil)
	for _, body := range []string{
		`{"` + c.add("unknown member") + `":"` + c.add("unknown value") + `"}`, `{"name":"x","name":"` + c.add("duplicate value") + `"}`, c.add("no JSON"),
		`{"name":"x","algorithm":"` + c.add("algorithm") + `"}`, `{"name":"x","algorithm":"ES256","curve":"` + c.add("curve") + `"}`,
		`{"name":"` + strings.ToUpper(c.add("bad name")) + `","algorithm":"ES256"}`, `{"name":"x","algorithm":"ES256","key_size":"` + c.add("wrong type") + `"}`,
		`{}` + c.add("trailing data"), `{"name":"x","algorithm":"RS256","key_size":2.048e3,"description":"` + c.add("beside a number") + `"}`,
	} {
		s.Call(t, token, http.MethodPost, "elastic-keys", body)
	}
	key := s.Create(t, token, "faulty", "A256GCM/A256KW")
	for operation, member := range map[string]string{"encrypt": "plaintext", "decrypt": "ciphertext", "sign": "payload", "verify": "signature"} {
		for _, text := range []string{c.add(operation+" not base64url") + "=", c.add(operation+" a message") + ".a.b.c.d", strings.Repeat("A", 1<<21)} {
			s.Call(t, token, http.MethodPost, "elastic-keys/faulty/"+operation, map[string]any{member: text})
		}
	}
	for what, credential := range map[string]string{
		"malformed token": c.add("malformed token"), "damaged token": token[:len(token)-1] + "_", "another's token": kmstest.Retenant(token, "operator", "nobody"), "cut token": token[:60],
	} {
		s.Call(t, c.keep(what, credential), http.MethodGet, "self", nil)
	}
	for _, scheme := range []string{"Basic ", "Digest ", ""} {
		s.Call(t, "", http.MethodGet, "self", nil, "Authorization", scheme+c.add("in Authorization, "+scheme))
	}
	request := s.Request(t, "", http.MethodGet, "self", nil)
	request.SetBasicAuth(c.add("Basic user"), c.add("Basic password"))
	s.Send(t, request)
	s.Call(t, "", http.MethodPost, "/browser/api/v1/"+c.add("browser path"), nil, "Cookie", "__Host-cu-kms-default="+c.add("session"))

	shares, err := unseal.NewShares(2, 2)
	require.NoError(t, err)
	s.Submit(t, c.keep("share", shares[0]))
	s.Submit(t, c.add("no share"))
	admin := s.AdminRequest(t, http.MethodPost, "seal", "")
	admin.Header.Set("Authorization", "Bearer "+c.add("admin token of nobody"))
	s.Send(t, admin)
	s.Admin(t, http.MethodPost, "seal", "")
	s.Call(t, token, http.MethodGet, kmstest.Query("elastic-keys", "name", c.add("while sealed")), nil)
	s.Admin(t, http.MethodPost, "unseal", "{}")

	raw := s.Dial(t)
	raw.Sayf(t, "GET /%s HTTP/1.1\r\n%s\r\n\r\n", c.add("raw path"), c.add("raw header"))
	assert.NotNil(t, raw.Hear(t))

	// A row that was changed in SQL makes the service fail: the log names the row, not what is in it.
	db := dbtest.Open(t, s.Config.Database)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		_, err := db.Exec(ctx, `UPDATE material_keys SET exportable = TRUE WHERE elastic_key_id = $1`, key)
		return errors.Join(err, changes.Note(ctx, db, "default", "kms/key", key))
	}))
	require.Eventually(t, func() bool { // until the service has noticed
		got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/faulty/encrypt", map[string]any{"plaintext": ""}))
		return err == nil && got.Status != http.StatusOK
	}, 5*time.Second, 10*time.Millisecond)
	got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/faulty/encrypt", map[string]any{"plaintext": kmstest.Encode([]byte(c.add("of a changed row")))}))
	require.NoError(t, err)
	assert.Equal(t, http.StatusInternalServerError, got.Status)
	assert.Equal(t, "integrity_failed", got.Member(t, "code"))
	assert.NotContains(t, got.Member(t, "detail"), key)
	assert.Contains(t, s.Logs.String(), key, "the log names the key")
	assert.Contains(t, s.Logs.String(), got.Header.Get("X-Request-Id"))
}
