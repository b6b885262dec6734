package ocsp_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

func TestDecodePath_TakesBase64AsClientsSendIt(t *testing.T) {
	t.Parallel()
	want := []byte{0x30, 0x03, 0xff, 0xfb, 0xef, 0xff, 0xfe} // both alphabets differ here, and it needs padding
	text := base64.StdEncoding.EncodeToString(want)
	require.Contains(t, text, "/")
	require.Contains(t, text, "+")
	for _, path := range []string{
		text, url.PathEscape(text), url.QueryEscape(text), strings.TrimRight(text, "="), base64.URLEncoding.EncodeToString(want),
		base64.RawURLEncoding.EncodeToString(want), strings.ReplaceAll(text, "+", "%20"),
	} {
		got, err := ocsp.DecodePath(path)
		require.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
	for _, path := range []string{"M", "%zz", "MA!A", "MA==MA", strings.Repeat("M", 4097)} {
		_, err := ocsp.DecodePath(path)
		require.Error(t, err, path)
	}
}

func TestFreshness_EndsAtNextUpdateAtTheLatest(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		maxAge, left time.Duration
		want         string
	}{
		{time.Minute, time.Hour, "max-age=60, public, no-transform, must-revalidate"},
		{time.Hour, time.Minute, "max-age=60, public, no-transform, must-revalidate"},
		{time.Hour, -time.Minute, "max-age=0, public, no-transform, must-revalidate"},
	} {
		h := http.Header{}
		ocsp.Freshness{ProducedAt: now.Add(-time.Second), NextUpdate: now.Add(c.left), Tag: "x", MaxAge: c.maxAge}.SetHeaders(h, now)
		assert.Equal(t, c.want, h.Get("Cache-Control"))
		assert.Equal(t, `"x"`, h.Get("ETag"))
		assert.Equal(t, "Sun, 22 Nov 2026 08:59:59 GMT", h.Get("Last-Modified"))
		expires, err := http.ParseTime(h.Get("Expires"))
		require.NoError(t, err)
		assert.Equal(t, now.Add(max(min(c.maxAge, c.left), 0)), expires)
	}
}
