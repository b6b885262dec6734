//go:build e2e

package cryptoutil_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

// joseLiver is a client with a key of its own in the JWK Authority.
type joseLiver struct {
	name     string
	own      *jwk.Key        // that it imports
	brought  json.RawMessage // the same
	now      joseLife
	pending  *joseTurn        // that has no answer
	token    string           // Idempotency-Key; empty for none
	signed   map[int64]string // a JWS by version
	answered int
}

func newJOSELiver(t *testing.T, name string) *joseLiver {
	t.Helper()
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(t, err)
	own, err := keygen.Generate(spec)
	require.NoError(t, err)
	text, err := own.MarshalPrivate()
	require.NoError(t, err)
	return &joseLiver{name: name, own: own, brought: text, signed: map[int64]string{}}
}

// work makes changes at random until one has no answer. A change that the state forbids must be refused.
func (l *joseLiver) work(t *testing.T, a *api, random *rand.Rand) {
	t.Helper()
	l.pending, l.answered = nil, 0
	for {
		all := joseTurns(l.name, 1+random.Int64N(int64(len(l.now.versions))+1), l.brought)
		names := slices.Sorted(maps.Keys(all))
		chosen := all[names[random.IntN(len(names))]]
		after := chosen.after(l.now)
		if after != nil && !after.there && random.IntN(3) > 0 {
			continue // most keys live for longer
		}
		l.token = ""
		if random.IntN(2) == 0 {
			l.token = fmt.Sprintf("%s-%x", l.name, random.Uint64())
		}
		answer, err := l.ask(t, a, chosen)
		switch {
		case err != nil || answer.status == http.StatusServiceUnavailable:
			if after != nil {
				l.pending = &chosen
			}
			return
		case after == nil:
			if !assert.Contains(t, []int{http.StatusConflict, http.StatusNotFound}, answer.status, "%s of %+v: %s", chosen.path, l.now, answer.body) {
				return
			}
		default:
			if !assert.Equal(t, 2, answer.status/100, "%s of %+v: %s", chosen.path, l.now, answer.body) {
				return
			}
			l.become(*after)
			l.answered++
		}
	}
}

func (l *joseLiver) become(after joseLife) {
	if !after.there {
		clear(l.signed)
	}
	l.now = after
}

func (l *joseLiver) ask(t *testing.T, a *api, chosen joseTurn) (reply, error) {
	t.Helper()
	if l.token == "" {
		return a.do(t.Context(), http.MethodPost, chosen.path, chosen.body, nil)
	}
	return a.do(t.Context(), http.MethodPost, chosen.path, chosen.body, nil, "Idempotency-Key", l.token)
}

// compare checks that the key is as it was, or as it was to become, and goes on from there. What was asked for with an Idempotency-Key is asked for again.
func (l *joseLiver) compare(t *testing.T, i *installation, a *api) {
	t.Helper()
	found, _ := l.read(t, a)
	possible := []joseLife{l.now}
	if l.pending != nil {
		possible = append(possible, *l.pending.after(l.now))
	}
	assert.Contains(t, possible, found, "%s", l.name)
	switch {
	case l.pending == nil:
	case l.token != "":
		l.repeat(t, a)
	case !assert.ObjectsAreEqual(l.now, found):
		l.become(found) // nobody can ask again: it is as it is
	}
	found, kids := l.read(t, a)
	assert.Equal(t, l.now, found, "%s", l.name)
	l.isPublished(t, i, a, kids)
	l.signs(t, a)
}

// repeat asks twice more for the change that had no answer: it has happened once then.
func (l *joseLiver) repeat(t *testing.T, a *api) {
	t.Helper()
	l.become(*l.pending.after(l.now))
	var first reply
	for n := range 2 {
		answer, err := l.ask(t, a, *l.pending)
		require.NoError(t, err)
		assert.Equal(t, 2, answer.status/100, "%s: %s", l.pending.path, answer.body)
		if n > 0 {
			assert.Equal(t, string(first.body), string(answer.body))
			assert.Equal(t, "true", answer.header.Get("Idempotency-Replayed"))
		}
		first = answer
	}
}

// read is the state that the service tells, and the names of its versions.
func (l *joseLiver) read(t *testing.T, a *api) (found joseLife, kids map[int64]string) {
	t.Helper()
	var key struct {
		Status       string `json:"status"`
		VersionCount int    `json:"version_count"`
	}
	answer, err := a.do(t.Context(), http.MethodGet, "keys/"+l.name, nil, &key)
	require.NoError(t, err)
	if answer.status == http.StatusNotFound {
		return joseLife{}, nil
	}
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	found, kids = joseLife{there: true, status: key.Status, versions: map[int64]string{}}, map[int64]string{}
	for _, v := range listAll[struct {
		Version int64  `json:"version"`
		Kid     string `json:"kid"`
		Status  string `json:"status"`
		Origin  string `json:"origin"`
	}](t, a, "keys/"+l.name+"/versions") {
		assert.NotContains(t, found.versions, v.Version, "a number twice")
		found.versions[v.Version], kids[v.Version] = v.Status, v.Kid
		if v.Version == 1 {
			found.imported = v.Origin == "imported"
		}
	}
	assert.Len(t, found.versions, key.VersionCount)
	return found, kids
}

// isPublished checks that the public key set has the versions that verify something, and no other.
func (l *joseLiver) isPublished(t *testing.T, i *installation, a *api, kids map[int64]string) {
	t.Helper()
	answer, err := a.raw(t.Context(), http.MethodGet, i.public+"/.well-known/jwks.json", "", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	set, err := jwk.ParseSet(answer.body)
	require.NoError(t, err)
	for n, kid := range kids {
		_, shown := set.Find(kid)
		assert.Equal(t, l.now.status == "active" && l.now.versions[n] != "destroyed", shown, "%s in the set, of %+v", kid, l.now)
	}
}

// signs has the key sign, and what it has signed before verified.
func (l *joseLiver) signs(t *testing.T, a *api) {
	t.Helper()
	if l.now.status == "active" {
		var made struct {
			Message string `json:"message"`
			Version int64  `json:"version"`
		}
		answer, err := a.do(t.Context(), http.MethodPost, "jws/sign", map[string]any{"key": l.name, "payload": "aGVsbG8"}, &made)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		assert.Equal(t, "active", l.now.versions[made.Version], "version %d of %+v signs", made.Version, l.now)
		l.signed[made.Version] = made.Message
		if l.now.imported && made.Version == 1 {
			public, err := l.own.Public()
			require.NoError(t, err)
			_, _, err = jws.Verify(public, made.Message, jws.Expect{})
			assert.NoError(t, err, "what was brought signs")
		}
	}
	for n, message := range l.signed {
		answer, err := a.do(t.Context(), http.MethodPost, "jws/verify", map[string]any{"message": message, "key": l.name}, nil)
		require.NoError(t, err)
		good := l.now.status == "active" && l.now.versions[n] != "destroyed"
		assert.Equal(t, good, answer.status == http.StatusOK, "version %d of %+v: %s", n, l.now, answer.body)
	}
}
