package mergepatch_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// The examples of RFC 7396 appendix A whose patch is an object; the others replace the resource as a whole.
func TestApply_ExamplesOfTheRFC(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":12345678901234567890}`, `{"m":98765432109876543210}`, `{"m":98765432109876543210,"n":12345678901234567890}`},
	} {
		var target any
		decoder := json.NewDecoder(strings.NewReader(c[0]))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&target))
		merged, err := mergepatch.Apply(json.RawMessage(c[0]), []byte(c[1]))
		require.NoError(t, err, c)
		assert.Equal(t, c[2], string(merged), c)
	}
}

type resource struct {
	Name   string            `json:"name"`
	Age    int               `json:"age"`
	Labels map[string]string `json:"labels,omitempty"`
	Inner  struct {
		On *bool `json:"on,omitempty"`
	} `json:"inner"`
}

func TestApply_ToAResource(t *testing.T) {
	t.Parallel()
	current := resource{Name: "a", Age: 3, Labels: map[string]string{"x": "1", "y": "2"}}
	next, err := mergepatch.Apply(current, []byte(`{"name":"b","labels":{"x":null,"z":"3"},"inner":{"on":true}}`))
	require.NoError(t, err)
	assert.Equal(t, "b", next.Name)
	assert.Equal(t, 3, next.Age)
	assert.Equal(t, map[string]string{"y": "2", "z": "3"}, next.Labels)
	assert.True(t, *next.Inner.On)
	assert.Equal(t, map[string]string{"x": "1", "y": "2"}, current.Labels, "what was there is not touched")
	next, err = mergepatch.Apply(current, []byte(`{"age":null,"labels":null}`))
	require.NoError(t, err)
	assert.Zero(t, next.Age)
	assert.Nil(t, next.Labels)
}

func TestApply_Refuses(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string]string{
		`{"title":"x"}`: "unknown_member", `{"inner":{"off":true}}`: "unknown_member", `{"name":1}`: "validation_failed", `{"age":"x"}`: "validation_failed",
		`{"age":99999999999999999999}`: "validation_failed", `[]`: "bad_request", `null`: "bad_request", `"x"`: "bad_request", `{`: "bad_request", ``: "bad_request",
		`{} {}`: "bad_request", strings.Repeat(`{"labels":`, 100) + `{}` + strings.Repeat(`}`, 100): "bad_request",
	} {
		_, err := mergepatch.Apply(resource{}, []byte(patch))
		var coded problem.Coded
		require.ErrorAs(t, err, &coded, patch)
		assert.Equal(t, want, coded.ErrorCode(), patch)
	}
	_, err := mergepatch.Apply(make(chan int), []byte(`{}`))
	require.Error(t, err)
}
