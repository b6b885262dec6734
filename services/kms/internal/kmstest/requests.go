package kmstest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// VersionCount is how many versions an elastic key says it has.
func VersionCount(t testing.TB, key Answer) float64 {
	t.Helper()
	var counted struct {
		VersionCount float64 `json:"version_count"`
	}
	require.NoError(t, json.Unmarshal(key.Body, &counted))
	return counted.VersionCount
}

// The headers of a request that may be repeated, and of its answer when it was.
const (
	IdempotencyKey = "Idempotency-Key"
	Replayed       = "Idempotency-Replayed"
)

// Repeats checks that an answer is another one, given again.
func (a Answer) Repeats(t testing.TB, first Answer, what string) {
	t.Helper()
	assert.Equal(t, "true", a.Header.Get(Replayed), "%s: %s", what, a.Body)
	assert.Equal(t, first.Status, a.Status, what)
	assert.Equal(t, string(first.Body), string(a.Body), what)
	for _, name := range []string{"Content-Type", "Location", "Etag", "Cache-Control"} {
		assert.Equal(t, first.Header.Values(name), a.Header.Values(name), "%s: %s", what, name)
	}
}

// VersionCount is how many versions a key has.
func (s *Service) VersionCount(t testing.TB, token, key string) int {
	t.Helper()
	return int(s.Get(t, token, "elastic-keys/"+key).Object(t)["version_count"].(float64))
}

// Octets asks for an operation with a body that is not JSON.
func (s *Service) Octets(t testing.TB, token, path, mediaType string, body []byte, header ...string) Answer {
	t.Helper()
	return s.Call(t, token, http.MethodPost, path, bytes.NewReader(body), append([]string{"Content-Type", mediaType}, header...)...)
}

// The media types of bytes as they are, and of messages in compact serialization.
const (
	OctetStream = "application/octet-stream"
	JOSE        = "application/jose"
)

// PublicSet reads a public set as anybody does.
func (s *Service) PublicSet(t testing.TB, path string, header ...string) Answer {
	t.Helper()
	got, err := s.Exchange(s.Request(t, "", http.MethodGet, path, nil, header...))
	require.NoError(t, err)
	return got
}

// Kids are those of the keys in a JWK Set, which must all be public.
func (a Answer) Kids(t testing.TB) []string {
	t.Helper()
	set, err := jwk.ParseSet(a.Body)
	require.NoError(t, err, "%s", a.Body)
	require.Empty(t, set.Refused)
	kids := []string{}
	for _, key := range set.Keys {
		assert.False(t, key.IsPrivate())
		kids = append(kids, key.ID)
	}
	return kids
}
