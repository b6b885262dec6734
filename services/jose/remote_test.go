package jose_test

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// issuer is somebody else's issuer of tokens, on https.
type issuer struct {
	url, root string
	fetches   atomic.Int64
	set       atomic.Pointer[[]byte] // nil: it fails
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	var l net.ListenConfig
	listener, err := l.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	i := &issuer{url: "https://" + listener.Addr().String() + "/jwks.json", root: material.RootFile()}
	server := &http.Server{
		TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			i.fetches.Add(1)
			if text := i.set.Load(); text != nil {
				_, _ = w.Write(*text)
				return
			}
			w.WriteHeader(http.StatusBadGateway)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return i
}

func (i *issuer) publish(t testing.TB, keys ...*jwk.Key) {
	t.Helper()
	text, err := jwk.MarshalPublicSet(keys)
	require.NoError(t, err)
	i.set.Store(&text)
}

// token issues as profiles below expect it.
func (i *issuer) token(t testing.TB, key *jwk.Key, change func(*jwt.Profile)) string {
	t.Helper()
	profile := jwt.Profile{
		Name: "theirs", Algorithms: []string{key.Algorithm}, Type: "at+jwt", Issuer: "https://shop.example", Audiences: []string{"api"}, Lifetime: time.Minute,
	}
	if change != nil {
		change(&profile)
	}
	tokens, err := jwt.New(profile, time.Now)
	require.NoError(t, err)
	token, _, err := tokens.Issue(key, jwt.Claims{Subject: "ada"})
	require.NoError(t, err)
	return token
}

func named(t testing.TB, algorithm, id string) *jwk.Key {
	t.Helper()
	key, _, _ := generate(t, algorithm)
	key.ID = id
	return key
}

func TestRemoteKeys_AProfileVerifiesByWhatSomebodyElsePublishes(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			theirs := newIssuer(t)
			cfg, files := prepare(t, engine)
			cfg.RemoteKeys.AllowAddresses, cfg.RemoteKeys.RootCertificate = []string{"127.0.0.1"}, config.Path(theirs.root)
			s := run(t, cfg, files)
			token := s.Operator(t)
			made := s.profile(t, token, "theirs", object{"jwks_uri": theirs.url, "algorithms": []string{"ES256", "Ed25519"}, "typ": "at+jwt"})
			assert.Equal(t, theirs.url, made.Member(t, "jwks_uri"))
			assert.NotContains(t, made.Object(t), "key")
			verify := func(text string) answer {
				return s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": "theirs", "token": text})
			}
			ec, ed, es384 := named(t, "ES256", "ec"), named(t, "Ed25519", "ed"), named(t, "ES384", "es384")

			unavailable := verify(theirs.token(t, ec, nil))
			unavailable.refused(t, http.StatusServiceUnavailable, "remote_keys_unavailable", "their server is away")
			assert.NotEmpty(t, unavailable.Header.Get("Retry-After"))
			verify(theirs.token(t, ec, nil)).refused(t, http.StatusServiceUnavailable, "remote_keys_unavailable", "and is not stormed")
			assert.EqualValues(t, 1, theirs.fetches.Load())

			// Another profile of the same set is another user of the same memory; a fresh path is a fresh set.
			theirs.publish(t, ec, ed, es384)
			fresh := s.call(t, token, http.MethodPatch, "profiles/theirs", object{"jwks_uri": theirs.url + "?v=2"},
				"Content-Type", "application/merge-patch+json", "If-Match", made.Header.Get("ETag"))
			require.Equal(t, http.StatusOK, fresh.Status, "%s", fresh.Body)
			good := theirs.token(t, ec, nil)
			require.Eventually(t, func() bool { return verify(good).Status == http.StatusOK }, 5*time.Second, 20*time.Millisecond)
			seen := verify(good).Object(t)
			assert.Equal(t, []any{"ec", "ada"}, []any{seen["kid"], seen["claims"].(object)["sub"]})
			assert.NotContains(t, seen, "key_id")
			require.Equal(t, http.StatusOK, verify(theirs.token(t, ed, nil)).Status)
			fetches := theirs.fetches.Load()

			unnamed := *ec
			unnamed.ID = ""
			secret, err := jwk.FromMaterial([]byte(strings.Repeat("s", 32)), jwk.Attributes{Algorithm: "HS256", ID: "ec"})
			require.NoError(t, err)
			forged, err := jws.Sign(secret, jws.Header{Type: "at+jwt"}, []byte(`{"iss":"https://shop.example","aud":"api","exp":4000000000}`))
			require.NoError(t, err)
			for what, c := range map[string]struct{ token, code string }{
				"a key that they do not publish":         {theirs.token(t, named(t, "ES256", "other"), nil), "token_bad_signature"},
				"another key under a name of theirs":     {theirs.token(t, named(t, "ES256", "ec"), nil), "token_bad_signature"},
				"no name":                                {theirs.token(t, &unnamed, nil), "token_bad_signature"},
				"an algorithm that is not trusted":       {theirs.token(t, es384, nil), "key_mismatch"},
				"a shared secret under a name of theirs": {forged, "token_wrong_algorithm"},
				"another type":                           {theirs.token(t, ec, func(p *jwt.Profile) { p.Type = "logout+jwt" }), "token_wrong_type"},
				"another issuer":                         {theirs.token(t, ec, func(p *jwt.Profile) { p.Issuer = "https://evil.example" }), "token_wrong_issuer"},
				"another audience":                       {theirs.token(t, ec, func(p *jwt.Profile) { p.Audiences = []string{"web"} }), "token_wrong_audience"},
				"a link to other keys":                   {withHeader(t, good, func(h map[string]any) { h["jku"] = "https://evil.example/jwks" }), "token_malformed"},
			} {
				verify(c.token).refused(t, http.StatusBadRequest, c.code, what)
			}
			assert.LessOrEqual(t, theirs.fetches.Load()-fetches, int64(1), "a flood of names is no flood of fetches")
			theirs.set.Store(nil)
			require.Equal(t, http.StatusOK, verify(good).Status, "what was fetched serves on")

			s.call(t, token, http.MethodPost, "jwt/issue", object{"profile": "theirs"}).refused(t, http.StatusConflict, "invalid_state", "it issues nothing")
			for what, change := range map[string]object{
				"plain http": {"jwks_uri": "http://127.0.0.1/jwks"}, "an address inside": {"jwks_uri": "https://10.0.0.1/jwks"},
				"the metadata service": {"jwks_uri": "https://169.254.169.254/jwks"}, "credentials": {"jwks_uri": "https://a:b@example.com/"},
				"no algorithm": {"algorithms": []string{}}, "a shared secret": {"algorithms": []string{"HS256"}}, "a key as well": {"key": "nobody"},
				"an older name": {"eddsa": true},
			} {
				body := object{
					"name": "wrong", "issuer": "x", "audience": []string{"x"}, "jwks_uri": "https://example.com/jwks", "algorithms": []string{"ES256"},
				}
				for name, value := range change {
					body[name] = value
				}
				s.call(t, token, http.MethodPost, "profiles", body).refused(t, http.StatusBadRequest, "validation_failed", what)
			}
			for _, name := range []string{"none", "RS1"} {
				s.call(t, token, http.MethodPost, "profiles", object{
					"name": "wrong", "issuer": "x", "audience": []string{"x"}, "jwks_uri": "https://example.com/jwks", "algorithms": []string{name},
				}).refused(t, http.StatusBadRequest, "unsupported_algorithm", name)
			}
			s.call(t, token, http.MethodPost, "profiles", object{"name": "wrong", "issuer": "x", "audience": []string{"x"}}).
				refused(t, http.StatusBadRequest, "validation_failed", "neither a key nor a set")
		})
	}
}
