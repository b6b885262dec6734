package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func ignore(_, _ []byte) error { return nil }

func TestObject_Accepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, " \t\r\n{ } \n", `{"a":1}`, `{"a":[1,2,{"b":null}],"b":{"b":true,"c":false}}`,
		`{"a":-0.5e+10,"b":0,"c":1E-2,"d":123.0}`, `{"":""}`, `{"a":"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00é😀"}`,
		`{"a":{"x":1},"b":{"x":1}}`,
	} {
		require.True(t, json.Valid([]byte(text)), text)
		require.NoError(t, strictjson.Object([]byte(text), ignore), text)
	}
}

func TestObject_Refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `null`, `[]`, `"a"`, `1`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{a:1}`, `{'a':1}`, `{1:1}`,
		`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":-}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":tru}`, `{"a":nulll}`, `{"a":True}`,
		`{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}", "{\"a\":\"\x00\"}",
		`{"a":1}x`, `{"a":1}{"b":2}`, `{"a":1}]`, "\ufeff{}", `/**/{}`, `{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\ud800"}`, `{"a":"\ud800x"}`,
		"{\"a\":\"\xff\"}", "{\"a\xc0\":1}", "{\"a\":\"\xed\xa0\x80\"}",
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"c":2,"b":2}]}`,
		`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		require.Error(t, strictjson.Object([]byte(text), ignore), text)
	}
}

func TestObject_FindsDuplicatesAmongManyMembers(t *testing.T) {
	t.Parallel()
	var members []string
	for i := range 1000 {
		members = append(members, fmt.Sprintf(`"m%d":%d`, i, i))
	}
	count := 0
	require.NoError(t, strictjson.Object([]byte("{"+strings.Join(members, ",")+"}"), func(_, _ []byte) error { count++; return nil }))
	assert.Equal(t, 1000, count)
	for _, at := range []int{0, 5, 11, 12, 13, 999} {
		err := strictjson.Object([]byte("{"+strings.Join(append(members, members[at]), ",")+"}"), ignore)
		require.ErrorContains(t, err, "duplicate")
	}
}

func TestObject_EndsWithTheCallersError(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	require.ErrorIs(t, strictjson.Object([]byte(`{"a":1,"b":2}`), func(_, _ []byte) error { return mine }), mine)
	require.ErrorIs(t, strictjson.Array([]byte(`[1]`), func(_ []byte) error { return mine }), mine)
}

func TestValues(t *testing.T) {
	t.Parallel()
	value, err := strictjson.Value([]byte(` {"a":["x",1.5,true,false,null,{}]} `))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"a": []any{"x", json.Number("1.5"), true, false, nil, map[string]any{}}}, value)
	for _, text := range []string{``, `x`, `1 2`, `"a" "b"`, `[1`, `{"a"`, `tru`, `"\ud800"`} {
		_, err := strictjson.Value([]byte(text))
		require.Error(t, err, text)
	}
	list, err := strictjson.Strings([]byte(`["a","b\n"]`))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b\n"}, list)
	for _, text := range []string{`"a"`, `[1]`, `["a"`, `{}`, `["a"] 1`} {
		_, err := strictjson.Strings([]byte(text))
		require.Error(t, err, text)
	}
	for _, text := range []string{``, `1`, `null`, `"a`, `"a"b`, `a`} {
		_, err := strictjson.String([]byte(text))
		require.Error(t, err, text)
	}
}

func TestAppend_IsReadBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "\"\\/", "\x00\x01\x1f\b\f\n\r\t", "é€😀\u2028", "a\xffb", "\xed\xa0\x80"} {
		written := strictjson.AppendString(nil, text)
		got, err := strictjson.String(written)
		require.NoError(t, err, "%q", written)
		assert.Equal(t, toValid(text), got)
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":[true,null,{"c":"\u0041\ud83d\ude00"}]}`, `{"a":{"a":{"a":-1.5e3}}}`, `{"\u0061":"é"}`, "{\"a\":\"\xff\"}", `{"alg":"ES256","kid":"k"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		members := map[string]any{}
		err := strictjson.Object(text, func(name, value []byte) error {
			v, err := strictjson.Value(value)
			members[string(name)] = v
			return err
		})
		if err != nil {
			return
		}
		// Whatever is accepted means the same to encoding/json, and is written so that it does.
		require.True(t, utf8.Valid(text))
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		var want map[string]any
		require.NoError(t, decoder.Decode(&want))
		require.Equal(t, want, members)
		written, err := strictjson.AppendValue(nil, members)
		require.NoError(t, err)
		again, err := strictjson.Value(written)
		require.NoError(t, err)
		require.Equal(t, any(members), again)
	})
}

// toValid replaces each invalid byte by U+FFFD, as ranging over a string does.
func toValid(text string) string {
	var out strings.Builder
	for _, r := range text {
		out.WriteRune(r)
	}
	return out.String()
}
