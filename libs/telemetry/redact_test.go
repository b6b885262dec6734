package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/internal/collector"
)

const canary = "canary-8f2e91"

// Secrets of several makes; each hides itself by its own methods only.
type (
	secretStruct  struct{ value string }
	secretText    string
	secretBytes   []byte
	secretPointer struct{ Value string }
	secretJSON    struct{ Value string }
)

func (secretStruct) LogValue() slog.Value         { return slog.StringValue("[hidden]") }
func (secretText) String() string                 { return "[hidden]" }
func (secretBytes) String() string                { return "[hidden]" }
func (*secretPointer) String() string             { return "[hidden]" }
func (secretJSON) MarshalJSON() ([]byte, error)   { return []byte(`"[hidden]"`), nil }
func (s secretStruct) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "[hidden]") }

type chatty struct{}

func (*chatty) String() string { panic("nil") }

func TestLog_NeverShowsSecrets(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			sink := collector.New()
			server := httptest.NewServer(sink)
			t.Cleanup(server.Close)
			config := sending(server.URL)
			config.LogFormat = format
			tel, out := start(t, config)
			target := url.URL{Scheme: "https", Host: "a.example", Path: "/x", RawQuery: "code=" + canary, User: url.UserPassword("u", canary)}
			failed := &url.Error{Op: "Get", URL: "https://b.example/y?token=" + canary, Err: errors.New("refused")}
			key := [16]byte([]byte(canary + canary))
			log := tel.Log().With("with", secretBytes(canary)).WithGroup("group").With("in_group", secretText(canary))
			log.Info("see https://c.example/z?q="+canary,
				"struct", secretStruct{canary}, "text", secretText(canary), "bytes", secretBytes(canary), "pointer", &secretPointer{canary},
				"json", secretJSON{canary}, "list", []secretJSON{{canary}}, "map", map[string]secretJSON{"k": {canary}},
				"nested", struct {
					Inner   secretJSON
					Address *secretJSON
					private string
				}{secretJSON{canary}, &secretJSON{canary}, canary},
				"group", slog.GroupValue(slog.Any("a", secretText(canary)), slog.String("b", "https://d.example?"+canary)),
				"raw", []byte(canary), "array", key, "named", json.RawMessage(`"https://e.example?`+canary+`"`),
				"url", target, "url_pointer", &target, "error", failed, "wrapped", fmt.Errorf("call: %w", failed),
				"deep", map[string]any{"list": []any{"https://f.example#" + canary}},
			)
			require.NoError(t, tel.Shutdown(t.Context()))
			for _, text := range []string{out.String(), sink.Raw()} {
				assert.NotContains(t, text, canary)
				assert.NotContains(t, text, fmt.Sprint([]byte(canary)))
				assert.Contains(t, text, "[hidden]")
				assert.Contains(t, text, "https://b.example/y?[redacted]")
				assert.Contains(t, text, "https://[redacted]@a.example/x?[redacted]")
				assert.Contains(t, text, fmt.Sprintf("[%d bytes]", len(canary)))
			}
		})
	}
}

func TestLog_SurvivesAwkwardValues(t *testing.T) {
	t.Parallel()
	tel, out := start(t, telemetry.Defaults())
	loop := map[string]any{}
	loop["self"] = loop
	tel.Log().Info("message", "nil", nil, "nil_pointer", (*chatty)(nil), "channel", make(chan int), "loop", loop, "nil_error", error(nil),
		"numbers", []int{1, 2}, "texts", []string{"a"}, "struct", struct{ A int }{1})
	lines := out.lines(t)
	require.Len(t, lines, 1)
	assert.Nil(t, lines[0]["nil"])
	assert.Equal(t, "[*telemetry_test.chatty]", lines[0]["nil_pointer"])
	assert.Equal(t, "[chan int]", lines[0]["channel"])
	assert.Equal(t, "[map[string]interface {}]", lines[0]["loop"])
	assert.Equal(t, []any{1.0, 2.0}, lines[0]["numbers"])
	assert.Equal(t, map[string]any{"A": 1.0}, lines[0]["struct"])
}

func TestRedactURL_HidesQueryFragmentAndCredentials(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://a.example/b/c":          "https://a.example/b/c",
		"https://a.example/b?c=d":        "https://a.example/b?[redacted]",
		"https://a.example/b?":           "https://a.example/b?[redacted]",
		"https://a.example#c":            "https://a.example?[redacted]",
		"https://u:p@a.example:1/b?c#d":  "https://[redacted]@a.example:1/b?[redacted]",
		"/authorize?code=x":              "/authorize?[redacted]",
		"/path":                          "/path",
		"":                               "",
		"postgres://kms@db.internal/kms": "postgres://[redacted]@db.internal/kms",
	} {
		assert.Equal(t, want, telemetry.RedactURL(raw), raw)
	}
}

func TestRedactText_FindsURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"nothing here? no":                                "nothing here? no",
		`Get "https://a/b?c=d": EOF`:                      `Get "https://a/b?[redacted]": EOF`,
		"two: http://a?x, http://b/c?y=z (end)":           "two: http://a?[redacted] http://b/c?[redacted] (end)",
		"dial tcp 127.0.0.1:1: connection refused":        "dial tcp 127.0.0.1:1: connection refused",
		"urn:cryptoutil:problem:x and file:///run/secret": "urn:cryptoutil:problem:x and file:///run/secret",
	} {
		assert.Equal(t, want, telemetry.RedactText(text), text)
	}
}

func FuzzRedactText(f *testing.F) {
	f.Add("https://a.example/b", "code=x")
	f.Fuzz(func(t *testing.T, base, query string) {
		if bytes.ContainsAny([]byte(base+query), "\"'<>` \t\r\n\v\f") {
			t.Skip("ends the URL")
		}
		assert.NotContains(t, telemetry.RedactText("x https://a.example/?"+query+canary+" y"), canary)
	})
}
