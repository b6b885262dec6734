package jsonscan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// shapeOf makes a closed object.
func shapeOf(t testing.TB, members ...jsonscan.Member) *jsonscan.Shape {
	t.Helper()
	s := &jsonscan.Shape{Kinds: jsonscan.Object, Closed: true}
	require.NoError(t, s.SetMembers(members))

	return s
}

func pointers(err *problem.Error) []string {
	var out []string
	for _, f := range err.Fields() {
		out = append(out, f.Pointer+" "+f.Detail)
	}

	return out
}

func TestScan_WellFormedness(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, `0`, `-0`, `-0.5e+10`, `1E9`, `""`, `"é😀"`, `"\ud83d\ude00"`, `"\"\\\/\b\f\n\r\t\u00e9"`, ` { "a" : [ 1 , true , null ] } `,
		`true`, `false`, `null`, "\t\r\n1\n", `"12345678é12345678"`, `"\u007f"`, "\"\x7f\"", nested(jsonscan.MaxDepth),
	} {
		require.True(t, json.Valid([]byte(text)), text)
		assert.NoError(t, jsonscan.Scan([]byte(text), nil), text)
	}
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `[1`, `[1,`, `[1,]`, `[,]`, `{,}`, `{"a"`, `{"a`, `{"a":`, `{"a":1,"b`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1]`, `[1}`,
		`01`, `-`, `+1`, `1.`, `.5`, `1e`, `1e+`, `-a`, `tru`, `trux`, `nul`, `False`, `"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\U0041"`, "\"\n\"", "\"12345678\x1f\"",
		`"\ud800"`, `"\ud800\ud800"`, `"\udc00"`, `"\ud800x23456"`, `"\ud800\n12345"`, "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\ufeff1", nested(jsonscan.MaxDepth + 1), strings.Repeat(`[`, 40), "'a'", "[1 2]", "\x00",
	} {
		err := jsonscan.Scan([]byte(text), nil)
		var p *problem.Error
		require.ErrorAs(t, err, &p, "%q", text)
		assert.Equal(t, problem.BadRequest, p.ErrorCode(), "%q", text)
	}
}

func nested(depth int) string {
	half := depth / 2

	return strings.Repeat(`[`, depth-half) + strings.Repeat(`{"a":`, half) + "1" + strings.Repeat("}", half) + strings.Repeat("]", depth-half)
}

func TestScan_SaysWhereTheTextIsMalformed(t *testing.T) {
	t.Parallel()
	err := jsonscan.Scan([]byte(`{"secret-value":tru}`), nil)
	require.EqualError(t, err, "bad_request: the body is not valid JSON: it has an unknown word, at byte 16")
	require.EqualError(t, jsonscan.Scan([]byte(nested(40)), nil), "bad_request: the body nests deeper than 32 levels, at byte 80")
	require.EqualError(t, jsonscan.Scan(nil, nil), "bad_request: the body is empty; a JSON value is expected")
}

func TestScan_RefusesDuplicateMembers(t *testing.T) {
	t.Parallel()
	known := shapeOf(t, jsonscan.Member{Name: "a"}, jsonscan.Member{Name: "b", Shape: &jsonscan.Shape{}})
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	for name, c := range map[string]struct {
		text    string
		shape   *jsonscan.Shape
		pointer string
	}{
		"known":                {`{"a":1,"a":1}`, known, "/a"},
		"known escaped":        {`{"a":1,"\u0061":1}`, known, "/a"},
		"without shape":        {`{"x":1,"x":2}`, nil, "/x"},
		"nested":               {`{"b":[0,{"x":1,"y":{},"x":2}]}`, known, "/b/1/x"},
		"escaped":              {`{"x/~":1,"x\u002f~":2}`, nil, "/x~1~0"},
		"every escape":         {`{"\"\\\/\b\f\n\r\t\u00C9\ud83d\ude00":1,"\"\\/\u0008\u000C\u000a\u000D\u0009É😀":2}`, nil, "/\"\\~1\b\f\n\r\tÉ😀"},
		"empty name":           {`{"":1,"":2}`, nil, "/"},
		"sixteenth of many":    {`{` + strings.Join(many[:15], ",") + `,"m0":1}`, nil, "/m0"},
		"seventeenth of many":  {`{` + strings.Join(many[:16], ",") + `,"m0":1}`, nil, "/m0"},
		"eighteenth of many":   {`{` + strings.Join(many[:17], ",") + `,"m16":1}`, nil, "/m16"},
		"many":                 {`{` + strings.Join(many, ",") + `,"m99":1}`, nil, "/m99"},
		"after a nested one":   {`{"x":{"x":1,"y":1},"x":1}`, nil, "/x"},
		"after nested in many": {`{"a":{` + strings.Join(many, ",") + `},"m0":1,"m0":1}`, nil, "/m0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *problem.Error
			require.ErrorAs(t, jsonscan.Scan([]byte(c.text), c.shape), &p)
			assert.Equal(t, problem.DuplicateMember, p.ErrorCode())
			assert.Equal(t, []string{c.pointer + " appears twice"}, pointers(p))
			assert.Equal(t, "the member "+c.pointer+" appears twice", p.ErrorDetail())
		})
	}
	require.NoError(t, jsonscan.Scan([]byte(`{"x":{"x":1},"y":{"x":1},"a":{`+strings.Join(many, ",")+`},"m0":1}`), nil))
}

func TestScan_RefusesUnknownMembers(t *testing.T) {
	t.Parallel()
	inner := shapeOf(t, jsonscan.Member{Name: "name"})
	list := &jsonscan.Shape{Items: inner}
	open := &jsonscan.Shape{Rest: inner}
	require.NoError(t, open.SetMembers([]jsonscan.Member{{Name: "list", Shape: list}}))
	for text, pointer := range map[string]string{
		`{"list":[{"name":1},{"Name":1}]}`:       "/list/1/Name",
		`{"list":[{"name ":1}]}`:                 "/list/0/name ",
		`{"other":{"n":1}}`:                      "/other/n",
		`{"list":[{"name":{"any":1},"na\"":1}]}`: `/list/0/na"`,
	} {
		var p *problem.Error
		require.ErrorAs(t, jsonscan.Scan([]byte(text), open), &p, text)
		assert.Equal(t, problem.UnknownMember, p.ErrorCode())
		assert.Equal(t, []string{pointer + " is not a member of this object"}, pointers(p))
	}
	require.NoError(t, jsonscan.Scan([]byte(`{"list":[{"name":{"any":1}},{"n\u0061me":2}],"other":{"name":[]}}`), open))
}

func TestScan_CutsLongPointers(t *testing.T) {
	t.Parallel()
	var p *problem.Error
	require.ErrorAs(t, jsonscan.Scan([]byte(`{"`+strings.Repeat("é", 4000)+`":1}`), &jsonscan.Shape{Closed: true}), &p)
	assert.Len(t, p.Fields()[0].Pointer, 511)
	assert.True(t, utf8.ValidString(p.Fields()[0].Pointer))
}

func TestScan_RefusesTrailingData(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}{}`, `{} x`, `1 2`, "{}\x00", `"a""b"`, `[],`} {
		var p *problem.Error
		require.ErrorAs(t, jsonscan.Scan([]byte(text), nil), &p, text)
		assert.Equal(t, problem.TrailingData, p.ErrorCode())
	}
}

func TestScan_ChecksTheShape(t *testing.T) {
	t.Parallel()
	one, five := int64(1), int64(5)
	shape := shapeOf(t,
		jsonscan.Member{Name: "text", Required: true, Shape: &jsonscan.Shape{Kinds: jsonscan.String, MinLength: 2, MaxLength: 3}},
		jsonscan.Member{Name: "choice", Shape: &jsonscan.Shape{Kinds: jsonscan.String | jsonscan.Null, Enum: []string{"x", "y"}}},
		jsonscan.Member{Name: "whole", Shape: &jsonscan.Shape{Kinds: jsonscan.Integer, Minimum: &one, Maximum: &five}},
		jsonscan.Member{Name: "any_number", Shape: &jsonscan.Shape{Kinds: jsonscan.Number}},
		jsonscan.Member{Name: "flag", Shape: &jsonscan.Shape{Kinds: jsonscan.Bool}},
		jsonscan.Member{Name: "list", Shape: &jsonscan.Shape{Kinds: jsonscan.Array, MinItems: 1, MaxItems: 2}},
		jsonscan.Member{Name: "map", Required: true, Shape: &jsonscan.Shape{Kinds: jsonscan.Object, MaxMembers: 2, Rest: &jsonscan.Shape{Kinds: jsonscan.String}}},
	)
	for text, want := range map[string][]string{
		`{"text":"ab","map":{}}`:                    nil,
		`{"text":"\u0061\u0062\u0063","map":{}}`:    nil,
		`{"text":"ab","map":{},"choice":"\u0078"}`:  nil,
		`{"text":"ab","map":{},"choice":null}`:      nil,
		`{"text":"ab","map":{},"whole":1}`:          nil,
		`{"text":"ab","map":{},"whole":5}`:          nil,
		`{"text":"ab","map":{},"any_number":5}`:     nil,
		`{"text":"ab","map":{},"any_number":5.5}`:   nil,
		`{"text":"ab","map":{},"flag":false}`:       nil,
		`{"text":"ab","map":{},"list":[1,{"x":2}]}`: nil,
		`{}`:                                   {"/map is required", "/text is required"},
		`[]`:                                   {" must be an object"},
		`"ab"`:                                 {" must be an object"},
		`{"text":"a","map":{}}`:                {"/text must have at least 2 characters"},
		`{"text":5,"map":{}}`:                  {"/text must be a string"},
		`{"text":{"ab":1},"map":{}}`:           {"/text must be a string"},
		`{"text":["ab"],"map":{}}`:             {"/text must be a string"},
		`{"text":null,"map":{}}`:               {"/text must be a string"},
		`{"text":"ab","map":{},"choice":"z"}`:  {"/choice must be one of x, y"},
		`{"text":"ab","map":{},"choice":true}`: {"/choice must be a string or null"},
		`{"text":"ab","map":{},"whole":0}`:     {"/whole must be at least 1"},
		`{"text":"ab","map":{},"whole":6}`:     {"/whole must be at most 5"},
		`{"text":"ab","map":{},"whole":1.5}`:   {"/whole must be an integer"},
		`{"text":"ab","map":{},"whole":1e0}`:   {"/whole must be an integer"},
		`{"text":"ab","map":{},"whole":9223372036854775808}`:    {"/whole is too large for an integer"},
		`{"text":"ab","map":{},"flag":"true"}`:                  {"/flag must be a boolean"},
		`{"text":"ab","map":{},"any_number":"5"}`:               {"/any_number must be a number"},
		`{"text":"ab","map":{},"list":[]}`:                      {"/list must have at least 1 item"},
		`{"text":"ab","map":{},"list":[1,2,3]}`:                 {"/list must have at most 2 items"},
		`{"text":"ab","map":{"a":"","b":"","c":""}}`:            {"/map must have at most 2 members"},
		`{"text":"ab","map":{"a":1}}`:                           {"/map/a must be a string"},
		`{"text":"a","map":{"a":{"x":[1]}},"list":{},"flag":1}`: {"/text must have at least 2 characters", "/map/a must be a string", "/list must be an array", "/flag must be a boolean"},
	} {
		err := jsonscan.Scan([]byte(text), shape)
		if want == nil {
			assert.NoError(t, err, text)

			continue
		}
		var p *problem.Error
		require.ErrorAs(t, err, &p, text)
		assert.Equal(t, problem.ValidationFailed, p.ErrorCode(), text)
		assert.Equal(t, want, pointers(p), text)
	}
}

func TestScan_CountsCharactersNotBytes(t *testing.T) {
	t.Parallel()
	shape := &jsonscan.Shape{Kinds: jsonscan.String, MaxLength: 3}
	require.NoError(t, jsonscan.Scan([]byte(`"äöü"`), shape))
	require.NoError(t, jsonscan.Scan([]byte(`"\u00e4\u00f6\u00fc"`), shape))
	require.Error(t, jsonscan.Scan([]byte(`"äöüß"`), shape))
}

func TestScan_ListsTwentyFaultsAtMost(t *testing.T) {
	t.Parallel()
	var p *problem.Error
	text := "[" + strings.Repeat("1,", 50) + "1]"
	require.ErrorAs(t, jsonscan.Scan([]byte(text), &jsonscan.Shape{Items: &jsonscan.Shape{Kinds: jsonscan.String}}), &p)
	assert.Len(t, p.Fields(), 20)
	assert.Equal(t, "/19", p.Fields()[19].Pointer)
}

func TestShape_RefusesWhatItCannotHold(t *testing.T) {
	t.Parallel()
	var many []jsonscan.Member
	for i := range 64 {
		many = append(many, jsonscan.Member{Name: fmt.Sprint(i), Required: true})
	}
	s := &jsonscan.Shape{}
	require.NoError(t, s.SetMembers(many))
	require.Error(t, s.SetMembers(append(many, jsonscan.Member{Name: "64"})))
	require.Error(t, s.SetMembers([]jsonscan.Member{{Name: "a"}, {Name: "a"}}))
}

func TestShape_MayContainItself(t *testing.T) {
	t.Parallel()
	tree := &jsonscan.Shape{Closed: true}
	require.NoError(t, tree.SetMembers([]jsonscan.Member{{Name: "left", Shape: tree}, {Name: "right", Shape: tree}}))
	require.NoError(t, jsonscan.Scan([]byte(`{"left":{"left":{}},"right":{}}`), tree))
	require.Error(t, jsonscan.Scan([]byte(`{"left":{"left":{"up":1}}}`), tree))
}

func TestScan_AllocatesNothingForWhatIsRight(t *testing.T) { //nolint:paralleltest // testing.AllocsPerRun counts the process
	shape := shapeOf(t, jsonscan.Member{Name: "plaintext", Required: true, Shape: &jsonscan.Shape{Kinds: jsonscan.String}})
	body := []byte(`{"plaintext":"` + strings.Repeat("QUJD", 256) + `"}`)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := jsonscan.Scan(body, shape); err != nil {
			t.Error(err)
		}
	}))
}

// FuzzScan compares the scan with encoding/json: what the scan accepts is valid JSON, and what is valid JSON is refused only for one
// of the reasons that go beyond its grammar.
func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e3,"x\n\u00e9\ud83d\ude00",true,false,null],"b":{}}`, `{"a":1,"a":2}`, `[[[[]]]]`, `"\ud800"`, `01`, `{"a":1} 2`, "\"\xff\"", `"12345678\"12345678"`, nested(33),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := jsonscan.Scan(text, nil)
		if err == nil {
			require.True(t, json.Valid(text))

			return
		}
		var p *problem.Error
		require.ErrorAs(t, err, &p)
		if p.ErrorCode() == problem.DuplicateMember {
			return
		}
		beyond := !utf8.Valid(text) || strings.Contains(p.ErrorDetail(), "surrogate") || strings.Contains(p.ErrorDetail(), "nests deeper")
		require.True(t, beyond || !json.Valid(text), "%v", err)
	})
}

func BenchmarkScan(b *testing.B) {
	shape := shapeOf(b, jsonscan.Member{Name: "plaintext", Required: true, Shape: &jsonscan.Shape{Kinds: jsonscan.String}},
		jsonscan.Member{Name: "context", Shape: &jsonscan.Shape{Rest: &jsonscan.Shape{Kinds: jsonscan.String}}})
	for _, size := range []int{256, 64 << 10} {
		body := []byte(`{"plaintext":"` + strings.Repeat("A", size) + `","context":{"record":"4711"}}`)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := jsonscan.Scan(body, shape); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint(size, "/json.Valid"), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_ = json.Valid(body)
			}
		})
	}
}
