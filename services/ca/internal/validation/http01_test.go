package validation_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestHTTP01_AcceptsTheKeyAuthorization(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"", "\n", " \r\n"} {
		var host, path atomic.Value
		port := serve(t, func(w http.ResponseWriter, r *http.Request) {
			host.Store(r.Host)
			path.Store(r.URL.Path)
			_, _ = io.WriteString(w, keyAuthorization+ending)
		})
		l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: port})

		require.NoError(t, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com"))))
		assert.Equal(t, fmt.Sprintf("www.example.com:%d", port), host.Load())
		assert.Equal(t, "/.well-known/acme-challenge/"+token, path.Load())

		require.NoError(t, l.Prove(t.Context(), attempt(validation.HTTP01, ip(t, "127.0.0.1"))))
		assert.Equal(t, fmt.Sprintf("127.0.0.1:%d", port), host.Load())
	}
}

func TestHTTP01_RefusesWrongAnswers(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"other text":          answer(token),
		"empty":               answer(""),
		"white space before":  answer(" " + keyAuthorization),
		"more than 128 bytes": answer(keyAuthorization + strings.Repeat(" ", 129-len(keyAuthorization))),
		"a whole page":        answer(keyAuthorization + strings.Repeat("x", 100_000)),
		"not found":           func(w http.ResponseWriter, _ *http.Request) { http.Error(w, keyAuthorization, http.StatusNotFound) },
		"not modified":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"announces gigabytes": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9000000000") },
		"without end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: serve(t, handler)})
			err := l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com")))
			refusal := refused(t, validation.KindUnauthorized, err)
			assert.False(t, refusal.Passing)
			assert.NotContains(t, refusal.Detail, "xxxx")
		})
	}
}

func TestHTTP01_TakesAnswersOf128Bytes(t *testing.T) {
	t.Parallel()
	full := keyAuthorization + strings.Repeat(" ", 128-len(keyAuthorization))
	l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: serve(t, answer(full))})
	assert.NoError(t, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com"))))
}

func TestHTTP01_FollowsTenRedirectsAndNoMore(t *testing.T) {
	t.Parallel()
	for redirects, right := range map[int]bool{1: true, 10: true, 11: false, 1000: false} {
		t.Run(fmt.Sprint(redirects), func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			port := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if seen.Add(1) > int64(redirects) {
					_, _ = io.WriteString(w, keyAuthorization)
					return
				}
				w.Header().Set("Location", fmt.Sprintf("/elsewhere/%d", seen.Load()))
				w.WriteHeader(http.StatusMovedPermanently)
				_, _ = io.WriteString(w, strings.Repeat("<p>moved</p>", 100)) // longer than an answer may be
			})
			l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: port})
			err := l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com")))
			if right {
				assert.NoError(t, err)
				return
			}
			refused(t, validation.KindConnection, err)
			assert.LessOrEqual(t, seen.Load(), int64(11))
		})
	}
}

func TestHTTP01_FollowsARedirectToHTTPSWithoutTrustingItsCertificate(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		secure := httptest.NewUnstartedServer(answer(keyAuthorization))
		secure.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		secure.StartTLS()
		t.Cleanup(secure.Close)
		tlsPort := portOf(t, secure.URL)
		port := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("https://www.example.com:%d%s", tlsPort, r.URL.Path), http.StatusMovedPermanently)
		})
		l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: port, TLSPort: tlsPort})
		assert.NoError(t, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com"))))
	}
}

func TestHTTP01_GoesNowhereElse(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	inside := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		reached.Store(true)
		_, _ = io.WriteString(w, keyAuthorization)
	})
	for name, location := range map[string]string{
		"another port":        fmt.Sprintf("http://www.example.com:%d/", inside),
		"a private address":   "http://10.0.0.1/",
		"the metadata":        "http://169.254.169.254/latest/meta-data/",
		"the metadata by v6":  "http://[::ffff:169.254.169.254]/",
		"a private name":      "http://inside.example.com/",
		"a file":              "file:///etc/passwd",
		"another protocol":    "ftp://www.example.com/",
		"somebody's password": "http://user:secret@www.example.com/",
		"a port of ssh":       "http://www.example.com:22/",
		"a decimal address":   "http://2852039166/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := hosts("www.example.com")
			z.addresses["inside.example.com"] = []string{"192.168.1.1"}
			port := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusFound)
			})
			l := local(t, validation.LocalConfig{Resolver: z, HTTPPort: port})
			err := l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com")))
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
	assert.False(t, reached.Load())
}

func TestHTTP01_RefusesAddressesThatAreNotPublicUnlessTheProfileSaysSo(t *testing.T) {
	t.Parallel()
	port := serve(t, answer(keyAuthorization))
	l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), HTTPPort: port})
	for _, i := range []validation.Identifier{domain(t, "www.example.com"), ip(t, "127.0.0.1"), ip(t, "10.1.2.3"), ip(t, "169.254.169.254"), ip(t, "fd00:ec2::254")} {
		a := attempt(validation.HTTP01, i)
		a.Targets = nil
		refusal := refused(t, validation.KindConnection, l.Prove(t.Context(), a))
		assert.False(t, refusal.Passing, "%s", i)
	}
	assert.NoError(t, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com"))))
}

func TestHTTP01_ANameThatChangesItsAddressGainsNothing(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Connection", "close") // so that the name is looked up again
		w.Header().Set("Location", "/second")
		w.WriteHeader(http.StatusFound)
	})
	z := hosts()
	z.addresses["www.example.com"] = []string{"127.0.0.1", "127.0.0.2"} // the second is not allowed
	l := local(t, validation.LocalConfig{Resolver: z, HTTPPort: port})
	err := l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com")))
	refused(t, validation.KindConnection, err)
	assert.EqualValues(t, 1, requests.Load())
}

func TestHTTP01_EndsInTime(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, keyAuthorization[:10])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := local(t, validation.LocalConfig{
				Resolver: hosts("www.example.com"), HTTPPort: serve(t, handler), Limits: validation.Limits{Whole: 300 * time.Millisecond},
			})
			began := time.Now()
			err := l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "www.example.com")))
			assert.True(t, refused(t, validation.KindConnection, err).Passing)
			assert.Less(t, time.Since(began), 8*time.Second)
		})
	}
}

func TestHTTP01_NeedsANameAndAToken(t *testing.T) {
	t.Parallel()
	l := local(t, validation.LocalConfig{Resolver: hosts()})
	refused(t, validation.KindMalformed, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "*.example.com"))))
	for _, token := range []string{"", "../../etc", "a b", "a?b", "a%2e"} {
		a := attempt(validation.HTTP01, domain(t, "example.com"))
		a.Token = token
		refused(t, validation.KindMalformed, l.Prove(t.Context(), a))
	}
	refused(t, validation.KindDNS, l.Prove(t.Context(), attempt(validation.HTTP01, domain(t, "missing.example.com"))))
	a := attempt("http-02", domain(t, "example.com"))
	refused(t, validation.KindMalformed, l.Prove(t.Context(), a))
}
