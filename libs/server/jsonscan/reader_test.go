package jsonscan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// rebuild reads any value with a Reader, by the methods for its type, and returns what encoding/json would make of it.
func rebuild(r *jsonscan.Reader, next byte) (any, error) {
	switch next {
	case '{':
		object := map[string]any{}
		err := r.Object(func(name []byte) error {
			raw, err := r.Raw()
			if err != nil {
				return err
			}
			inner := jsonscan.NewReader(raw)
			value, err := rebuild(inner, raw[0])
			object[string(name)] = value
			return errors.Join(err, inner.Close())
		})
		return object, err
	case '[':
		list := []any{}
		err := r.Array(func(int) error {
			raw, err := r.Raw()
			if err != nil {
				return err
			}
			inner := jsonscan.NewReader(raw)
			value, err := rebuild(inner, raw[0])
			list = append(list, value)
			return errors.Join(err, inner.Close())
		})
		return list, err
	case '"':
		text, err := r.Text()
		return string(text), err
	default:
		raw, err := r.Raw()
		if err != nil {
			return nil, err
		}
		var value any
		err = json.Unmarshal(raw, &value)
		return value, err
	}
}

// What a Reader reads is what Scan takes, and the same that encoding/json makes of it.
func FuzzReader_ReadsWhatScanTakes(f *testing.F) {
	for _, seed := range []string{
		`{"a":"b","c":[1,2.5,true,null,{"d":"é\n😀"}]}`, `{"a":1,"a":2}`, `{"a":"1"}{}`, `[]`, `{}`, ` { "a" : [ ] } `, `"x"`, `1e5`, `-0`, `{"a"`, `[1,]`, `{"a":1,}`,
		`{"a":"b","a":"c"}`, `"\ud800"`, "\"\xff\"", `nul`, ``, strings.Repeat("[", 40),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		scanned := jsonscan.Scan(text, nil)
		trimmed := strings.TrimLeft(string(text), " \t\r\n")
		if trimmed == "" {
			require.Error(t, scanned)
			return
		}
		r := jsonscan.NewReader(text)
		got, err := rebuild(r, trimmed[0])
		if err == nil {
			err = r.Close()
		}
		var want any
		if scanned != nil {
			require.Error(t, err, "%q", text)
			return
		}
		if json.Unmarshal(text, &want) != nil {
			return // a number beyond what encoding/json holds
		}
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want, got, "%q", text)
	})
}

func TestReader_RefusesOtherTypes(t *testing.T) {
	t.Parallel()
	for text, read := range map[string]func(r *jsonscan.Reader) error{
		`[]`:                   func(r *jsonscan.Reader) error { return r.Object(func([]byte) error { return nil }) },
		`{}`:                   func(r *jsonscan.Reader) error { return r.Array(func(int) error { return nil }) },
		`1`:                    func(r *jsonscan.Reader) error { _, err := r.Text(); return err },
		`null`:                 func(r *jsonscan.Reader) error { _, err := r.Text(); return err },
		`"1"`:                  func(r *jsonscan.Reader) error { _, err := r.Integer(); return err },
		`1.0`:                  func(r *jsonscan.Reader) error { _, err := r.Integer(); return err },
		`99999999999999999999`: func(r *jsonscan.Reader) error { _, err := r.Integer(); return err },
	} {
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, read(jsonscan.NewReader([]byte(text))), &coded, text)
		assert.Equal(t, "validation_failed", coded.ErrorCode(), text)
	}
	r := jsonscan.NewReader([]byte(` -42 `))
	n, err := r.Integer()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, int64(-42), n)
}
