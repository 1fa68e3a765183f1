package delta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

func TestApplyKnowsEveryForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, delta, want string }{
		{"no change", ` {"a" : 1} `, `{}`, `{"a" : 1}`},
		{"scalars replace", `{"a":1,"b":[1],"c":{},"d":"x"}`, `{"a":"x","b":null,"c":2.50,"d":false}`, `{"a":"x","b":null,"c":2.50,"d":false}`},
		{"scalar comes", `{"a":1}`, `{"b":true}`, `{"a":1,"b":true}`},
		{"any value replaces", `{"a":1}`, `{"a":[{"x":[ 1 ]}]}`, `{"a":{"x":[ 1 ]}}`},
		{"any value comes", `{}`, `{"a":[[]],"b":[{}],"c":[1]}`, `{"a":[],"b":{},"c":1}`},
		{"member goes", `{"a":1,"b":2,"c":3}`, `{"b":[]}`, `{"a":1,"c":3}`},
		{"first and last member go", `{"a":1,"b":2,"c":3}`, `{"a":[],"c":[]}`, `{"b":2}`},
		{"only member goes", `{"a":1}`, `{"a":[]}`, `{}`},
		{"new for old, checked", `{"a":{"x":1,"y":[2]}}`, `{"a":[{"y":[ 2 ],"x":1},7]}`, `{"a":7}`},
		{"old goes, checked", `{"a":"\u00e9","b":1}`, `{"a":["é",0,0]}`, `{"b":1}`},
		{"objects recurse", `{"a":{"b":{"c":1,"d":2}},"e":3}`, `{"a":{"b":{"d":4,"x":5}}}`, `{"a":{"b":{"c":1,"d":4,"x":5}},"e":3}`},
		{"no change inside", `{"a":{"b":1},"c":[1],"d":2}`, `{"a":{},"c":{},"d":{}}`, `{"a":{"b":1},"c":[1],"d":2}`},
		{"elements change", `{"a":[1,{"b":2},3]}`, `{"a":{"2":[[4]],"1":{"b":5}}}`, `{"a":[1,{"b":5},[4]]}`},
		{"array grows", `{"a":[1]}`, `{"a":{"1-":[{"x":1},[2]]}}`, `{"a":[1,{"x":1},[2]]}`},
		{"empty array grows", `{"a":[]}`, `{"a":{"0-":[1,2]}}`, `{"a":[1,2]}`},
		{"array shrinks", `{"a":[1,2,3]}`, `{"a":{"1-":[]}}`, `{"a":[1]}`},
		{"array shrinks to nothing", `{"a":[1,2,3]}`, `{"a":{"0-":[]}}`, `{"a":[]}`},
		{"element changes and end too", `{"a":[1,2,3]}`, `{"a":{"1-":[5],"0":4}}`, `{"a":[4,5]}`},
		{"element of eleven", `{"a":[0,1,2,3,4,5,6,7,8,9,10]}`, `{"a":{"10":"x"}}`, `{"a":[0,1,2,3,4,5,6,7,8,9,"x"]}`},
		{"string edit", `{"a":"hello world"}`, `{"a":["5=1-2+, |5=1+!|",0,2]}`, `{"a":"hello, world!"}`},
		{"string edit counts UTF-8", `{"a":"é日"}`, `{"a":["2=3-4+😀|",0,2]}`, `{"a":"é😀"}`},
		{"string edit writes escapes", `{"a":"\"\\\b\f\r\t\u001F\u007f\/"}`, `{"a":["9=1+\n|",0,2]}`, `{"a":"\"\\\b\f\r\t\u001f` + "\x7f" + `/\n"}`},
		{"string edit counts without escapes", `{"a":"\u00e9\n\"x"}`, `{"a":["2=1=1=1-3+\\\u0001||",0,2]}`, `{"a":"é\n\"\\\u0001|"}`},
		{"string edit of bytes that are whole in the end", `{"a":"é"}`, `{"a":["1=1=",0,2]}`, `{"a":"é"}`},
		{"string edit of nothing", `{"a":""}`, `{"a":["",0,2]}`, `{"a":""}`},
		{"string edit in an array", `{"a":["x"]}`, `{"a":{"0":["1=1+y|",0,2]}}`, `{"a":["xy"]}`},
		{"names with escapes", `{"\u0061":1,"é":2}`, `{"a":3,"\u00e9":4}`, `{"\u0061":3,"é":4}`},
		{"whole document", `{"a":1}`, `[{"b":2}]`, `{"b":2}`},
		{"whole document, checked", `{"a":1}`, `[{"a":1},{"b":2}]`, `{"b":2}`},
		{
			"numbers and strings keep their bytes", `{"a":9223372036854775807,"b":0.10000000000000000000000001,"c":"\u0041\/"}`,
			`{"d":-9223372036854775808,"e":1E+400,"f":"\u0042\/"}`,
			`{"a":9223372036854775807,"b":0.10000000000000000000000001,"c":"\u0041\/","d":-9223372036854775808,"e":1E+400,"f":"\u0042\/"}`,
		},
	} {
		got, err := Apply([]byte(c.old), []byte(c.delta))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(got), c.name)
	}
}

func TestApplyRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	const old = `{"a":1,"s":"héllo","l":[1,2],"o":{"x":1}}`
	for _, c := range []struct{ delta, want string }{
		{``, "invalid JSON"},
		{`{"a":1`, "invalid JSON"},
		{`{"a":1,"\u0061":2}`, "duplicate"},
		{`{"o":{"x":1,"x":2}}`, "duplicate"},
		{`{"s":["\ud800",0,2]}`, "UTF-8"},
		{`[]`, "must stay an object"},
		{`1`, "must stay an object"},
		{`[[]]`, "must stay an object"},
		{`[{"a":2},{}]`, "old value is another"},
		{`{"z":[]}`, "not there"},
		{`{"z":{}}`, "not there"},
		{`{"z":{"x":1}}`, "not there"},
		{`{"z":[1,2]}`, "not there"},
		{`{"z":[1,0,0]}`, "not there"},
		{`{"z":["",0,2]}`, "not there"},
		{`{"a":{"x":1}}`, "neither object nor array"},
		{`{"s":{"0":1}}`, "neither object nor array"},
		{`{"a":[2,3]}`, "old value is another"},
		{`{"a":[1.0,3]}`, "old value is another"},
		{`{"o":[{"x":1,"y":1},3]}`, "old value is another"},
		{`{"l":[[1,3],3]}`, "old value is another"},
		{`{"l":[[1],3]}`, "old value is another"},
		{`{"o":{"x":{"y":1}}}`, "neither object nor array"},
		{`{"l":{"1":[1,3]}}`, "old value is another"},
		{`{"a":[2,0,0]}`, "old value is another"},
		{`{"a":[1,0,1]}`, "unknown form"},
		{`{"a":[1,0,3]}`, "unknown form"},
		{`{"a":[1,1,0]}`, "unknown form"},
		{`{"a":[1,0,0,0]}`, "unknown form"},
		{`{"a":[1,0,0,0,0]}`, "unknown form"},
		{`{"l":{"2":1}}`, "behind the end"},
		{`{"l":{"3-":[1]}}`, "behind the end"},
		{`{"l":{"1":1,"1-":[1]}}`, "behind the end"},
		{`{"l":{"01":1}}`, "no index"},
		{`{"l":{"-1":1}}`, "no index"},
		{`{"l":{"":1}}`, "no index"},
		{`{"l":{"x":1}}`, "no index"},
		{`{"l":{"1--":[]}}`, "no index"},
		{`{"l":{"18446744073709551616":1}}`, "no index"},
		{`{"l":{"1-":[],"0-":[]}}`, "second replacement"},
		{`{"l":{"1-":1}}`, "no array"},
		{`{"l":{"0":[]}}`, "element of an array"},
		{`{"l":{"0":[1,0,0]}}`, "element of an array"},
		{`{"a":["1=",0,2]}`, "no string"},
		{`{"s":[1,0,2]}`, "no string"},
		{`{"s":["5=",0,2]}`, "exactly"},
		{`{"s":["7=",0,2]}`, "exactly"},
		{`{"s":["6-1-",0,2]}`, "exactly"},
		{`{"s":["",0,2]}`, "exactly"},
		{`{"s":["99999999999999999999=",0,2]}`, "unknown operation"},
		{`{"s":["=",0,2]}`, "unknown operation"},
		{`{"s":["6",0,2]}`, "unknown operation"},
		{`{"s":["06=",0,2]}`, "unknown operation"},
		{`{"s":["6=x",0,2]}`, "unknown operation"},
		{`{"s":["6*",0,2]}`, "unknown operation"},
		{`{"s":["6=2+ab",0,2]}`, "another length"},
		{`{"s":["6=2+abc|",0,2]}`, "another length"},
		{`{"s":["6=3+a|",0,2]}`, "another length"},
		{`{"s":["6=1+é|",0,2]}`, "another length"},
		{`{"s":["2=1-3=",0,2]}`, "half a character"},
		{`{"s":["2=1+x|4=",0,2]}`, "half a character"},
	} {
		_, err := Apply([]byte(old), []byte(c.delta))
		require.ErrorIs(t, err, ErrBadDelta, c.delta)
		require.ErrorContains(t, err, c.want, c.delta)
	}
}

func TestApplyNeverBlamesTheDeltaForABadBody(t *testing.T) {
	t.Parallel()
	for _, old := range []string{``, `[]`, `1`, `{"a":1,"a":2}`} {
		_, err := Apply([]byte(old), []byte(`{}`))
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrBadDelta)
	}
}

func TestErrorsOfApplyQuoteNothing(t *testing.T) {
	t.Parallel()
	const old = `{"secret":"secret","l":["secret"],"o":{"secret":1}}`
	for _, delta := range []string{
		`{"secret":`, `{"secret":secret}`, `{"secret":1,"secret":2}`, `{"secret2":[]}`, `{"secret":{"secret":1}}`, `{"l":{"secret":1}}`,
		`{"secret":["secret",0,2]}`, `{"secret":["6=6+secret",0,2]}`, `{"secret":["secret2","secret"]}`, `"secret"`, `{"secret":["secret",0,4]}`,
	} {
		_, err := Apply([]byte(old), []byte(delta))
		require.ErrorIs(t, err, ErrBadDelta, delta)
		require.NotContains(t, err.Error(), "secret", delta)
	}
	_, err := Apply([]byte(`{"secret":1,"secret":2}`), []byte(`{}`))
	require.NotContains(t, err.Error(), "secret")
}

func TestApplyEndsAtMaxDepth(t *testing.T) {
	t.Parallel()
	nested := func(levels int, inside string) string {
		return strings.Repeat(`{"a":`, levels) + inside + strings.Repeat("}", levels)
	}
	old, want := nested(jsondoc.MaxDepth, "1"), nested(jsondoc.MaxDepth, "2")
	delta, ok := Diff([]byte(old), []byte(strings.ReplaceAll(want, ":", " : ")))
	require.True(t, ok)
	got, err := Apply([]byte(old), delta)
	require.NoError(t, err)
	require.Equal(t, want, string(got))

	_, err = Apply([]byte(old), []byte(nested(jsondoc.MaxDepth+1, "2")))
	require.ErrorIs(t, err, ErrBadDelta)
	_, err = Apply([]byte(old), []byte(nested(jsondoc.MaxDepth, "[[1]]")))
	require.ErrorIs(t, err, ErrBadDelta)
}

func TestApplyFindsMembersOfWideObjects(t *testing.T) {
	t.Parallel()
	var old, delta, want strings.Builder
	for i := range 200 {
		name := `"` + strings.Repeat("x", i+1) + `":`
		old.WriteString("," + name + "1")
		want.WriteString("," + name + "2")
	}
	for i := 199; i >= 0; i-- {
		delta.WriteString(`,"` + strings.Repeat("x", i+1) + `":2`)
	}
	got, err := Apply([]byte("{"+old.String()[1:]+"}"), []byte("{"+delta.String()[1:]+"}"))
	require.NoError(t, err)
	require.Equal(t, "{"+want.String()[1:]+"}", string(got))
}
