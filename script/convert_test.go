package script

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"
)

func TestNumbersAreRoundedAsInJavaScript(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"tell 9007199254740992 9007199254740991 1e+21 -0.5 Infinity true"},
		tell(t, `tell(String(doc.a), String(doc.b), String(doc.c), String(doc.d), String(doc.e), String(Object.is(doc.f, -0)))`,
			`{"a":9007199254740993,"b":9007199254740991,"c":1e21,"d":-5e-1,"e":1e999,"f":-0}`))
}

func TestArgumentsThatAreNoJSONAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"a":}`, `{"a":1,}`, `{"a":1} x`, `[1,]`, `{"a":01}`, `{"a":"` + "\n" + `"}`, `{a:1}`, `{"a":"\x"}`, "nul", strings.Repeat("[", 1000)} {
		_, err := tellErr(t, `tell(doc.a)`, text)
		require.ErrorContains(t, err, "argument 1: ", text)
	}
}

func TestProtoIsAMemberLikeOthers(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{`tell 1 {"__proto__":{"x":1},"a":{"__proto__":{"y":2}}} undefined undefined`},
		tell(t, `tell(String(doc.__proto__.x), JSON.stringify(doc), String(doc.x), String(doc.a.y))`, `{"__proto__":{"x":1},"a":{"__proto__":{"y":2}}}`))
}

func TestWhatIsLookedAtOfAnArgumentIsBounded(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20+1)
	doc := `{"text":"` + large + `","in":{"text":"` + large + `","a":[{"b":{"c":1}}]}}`
	require.Equal(t, []string{`tell {"b":{"c":1}} text,in text,a`},
		tell(t, `tell(JSON.stringify(doc.in.a[0]), Object.keys(doc).join(), Object.keys(doc.in).join())`, doc),
		"what is not looked at does not matter")
	for _, body := range []string{`doc.text`, `doc.in.text`, `JSON.stringify(doc)`, `({...doc})`, `for (var k in doc) doc[k]`} {
		_, err := tellErr(t, body, doc)
		require.ErrorContains(t, err, "RangeError", body)
	}
	_, err := tellErr(t, `doc.many`, `{"many":[`+strings.Repeat("[],", 300_000)+"[]]}")
	require.Error(t, err) // a RangeError, or on a busy machine ErrTimeout
	_, err = tellErr(t, ``, `{"a":`+strings.Repeat("[", 700)+strings.Repeat("]", 700)+`}`)
	require.ErrorContains(t, err, "levels deep")
	members := strings.Repeat(`"m":1,`, 1000)
	require.Equal(t, []string{"tell 1"}, tell(t, `tell(String(doc.m))`, `{`+members+`"x":1}`))
}

// FuzzConvert compares what the package makes of JSON, at once and member by member,
// with what goja's JSON.parse makes of it.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[true,false,null],"c":{"d":"e"}}`, `[]`, `{}`, `""`, `-0`, `1e400`, `"\ud83d\ude00\u00e9"`, `{"a":1,"a":2}`,
		`{"2":1,"1":2,"x":3,"01":4}`, `{"__proto__":1,"constructor":2,"length":3}`, `[[[[]]]]`, ` { "a" : [ 1 , 2 ] } `, `"\u0000\/\b"`,
		`12345678901234567890`, `0.1e-7`, `{"":""}`, `"` + strings.Repeat("é", 40) + `"`, `{"é":"ü"}`, `{"4294967295":1,"4294967294":2}`,
	} {
		f.Add(seed)
	}
	s, err := newSandbox(Options{}.withDefaults())
	require.NoError(f, err)
	reference := goja.New()
	show, _ := goja.AssertFunction(must(reference.RunString(`(function (text) {
		const show = v => v === null || typeof v !== "object" ? typeof v + (Object.is(v, -0) ? "-0" : String(v))
			: Array.isArray(v) ? "[" + v.map(show) + "]" : "{" + Object.keys(v).map(k => k + ":" + show(v[k])) + "}"
		return show(JSON.parse(text))
	})`)))
	own, _ := goja.AssertFunction(must(s.js.RunString(`(function (v) {
		const show = v => v === null || typeof v !== "object" ? typeof v + (Object.is(v, -0) ? "-0" : String(v))
			: Array.isArray(v) ? "[" + v.map(show) + "]" : "{" + Object.keys(v).map(k => k + ":" + show(v[k])) + "}"
		return show(v)
	})`)))
	f.Fuzz(func(t *testing.T, text string) {
		s.made = 0
		lazy, err := s.argument(text)
		whole, wholeErr := s.parse(text)
		require.Equal(t, err == nil, wholeErr == nil, "%v %v", err, wholeErr)
		if !json.Valid([]byte(text)) {
			require.Error(t, err)
			return
		}
		if err != nil {
			require.ErrorContains(t, err, "levels deep")
			return
		}
		want, refErr := show(nil, reference.ToValue(text))
		if refErr != nil || !utf8.ValidString(text) {
			return // numbers out of range, which goja refuses; bytes that no document has
		}
		for _, value := range []goja.Value{lazy, whole} {
			got, err := own(nil, value)
			require.NoError(t, err)
			require.Equal(t, want.String(), got.String())
		}
		s.reclaim()
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
