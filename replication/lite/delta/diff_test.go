package delta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pad makes documents long enough for a delta to be worth while.
const pad = `"pad":"0123456789012345678901234567890123456789"`

func TestDiffWritesTheShortestForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, target, want string }{
		{"same", `"a":1`, `"a":1`, `{}`},
		{"same but for white space, order and escapes", `"a":[1,{"b":"é","c":2}]`, ` "\u0061" : [ 1, { "c" : 2, "b":"\u00e9" } ] `, `{}`},
		{"scalars", `"a":1,"b":"x","c":true`, `"a":2,"b":"y","c":null`, `{"a":2,"b":"y","c":null}`},
		{"numbers by their text", `"a":1,"b":9223372036854775807`, `"a":1.0,"b":9223372036854775806`, `{"a":1.0,"b":9223372036854775806}`},
		{"new members", `"a":1`, `"a":1,"b":2,"c":[],"d":{"x":1}`, `{"b":2,"c":[[]],"d":[{"x":1}]}`},
		{"deleted members", `"a":1,"\u0062":{"x":1},"c":[]`, `"a":1`, `{"\u0062":[],"c":[]}`},
		{"other kinds", `"a":{},"b":[],"c":1`, `"a":[],"b":{},"c":[1]`, `{"a":[[]],"b":[{}],"c":[[1]]}`},
		{"inside objects", `"a":{"b":{"c":1,"d":"xxxxxxxxx"}}`, `"a":{"b":{"c":2,"d":"xxxxxxxxx"}}`, `{"a":{"b":{"c":2}}}`},
		{"whole object if shorter", `"a":{"b":1,"c":2,"d":3}`, `"a":{"b":1}`, `{"a":[{"b":1}]}`},
		{"element", `"a":["xxxxxxxx",1,"yyyyyyyy"]`, `"a":["xxxxxxxx",2,"yyyyyyyy"]`, `{"a":{"1":2}}`},
		{"inside an element", `"a":[{"x":1,"y":"yyyyyyyy"},1]`, `"a":[{"x":2,"y":"yyyyyyyy"},1]`, `{"a":{"0":{"x":2}}}`},
		{"array grows", `"a":["xxxxxxxx"]`, `"a":["xxxxxxxx",1,{"b":2}]`, `{"a":{"1-":[1,{"b":2}]}}`},
		{"array shrinks", `"a":["xxxxxxxx",1,2]`, `"a":["xxxxxxxx"]`, `{"a":{"1-":[]}}`},
		{"end of an array", `"a":["xxxxxxxx",1,2,3,4,5,6,7]`, `"a":["xxxxxxxx",2,3,4,5,6,7,8]`, `{"a":{"1-":[2,3,4,5,6,7,8]}}`},
		{"element and end", `"a":[{"x":1,"y":"yyyyyyyy"},1]`, `"a":[{"x":2,"y":"yyyyyyyy"},1,2]`, `{"a":{"0":{"x":2},"2-":[2]}}`},
		{"whole array if shorter", `"a":[1,2,3]`, `"a":[4,5]`, `{"a":[[4,5]]}`},
		{"emptied array", `"a":[1,2,3]`, `"a":[]`, `{"a":[[]]}`},
		{"strings as they are written", `"a":"x"`, `"a":"\u0041\/"`, `{"a":"\u0041\/"}`},
	} {
		old, target := "{"+c.old+","+pad+"}", "{"+c.target+","+pad+"}"
		got, ok := Diff([]byte(old), []byte(target))
		require.True(t, ok, c.name)
		require.Equal(t, c.want, string(got), c.name)
		requireSame(t, target, applied(t, old, got))
	}
}

func TestDiffGivesUpWhereADeltaIsNotSmaller(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{`{}`, `{}`},
		{`{"a":1}`, `{"a":2}`},
		{`{"a":1}`, `{"b":1}`},
		{`{"a":1,"b":2,"c":3}`, `{"d":4}`},
		{`{"a":1,"b":2,"c":3}`, `   {"d":4}   `},
	} {
		_, ok := Diff([]byte(c[0]), []byte(c[1]))
		require.False(t, ok, c)
	}
}

func TestDiffGivesUpOnWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	good := `{"a":"` + strings.Repeat("x", 100) + `"}`
	for _, bad := range []string{``, `1`, `[1]`, `{"a":1,"a":1}`, `{`} {
		_, ok := Diff([]byte(bad), []byte(good))
		require.False(t, ok, bad)
		_, ok = Diff([]byte(good), []byte(bad))
		require.False(t, ok, bad)
	}
}

// Rows 73 and 74 of reference/blip.md 8.1: attachments are members like others, if both
// sides have them.
func TestDiffCarriesAttachments(t *testing.T) {
	t.Parallel()
	const stub = `"_attachments":{"a":{"digest":"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=","length":3,"revpos":1,"stub":true}}`
	unchanged, ok := Diff([]byte(`{"x":1,`+stub+`}`), []byte(`{`+stub+`,"x":2}`))
	require.True(t, ok)
	require.Equal(t, `{"x":2}`, string(unchanged))
	gone, ok := Diff([]byte(`{"x":"`+pad[8:40]+`",`+stub+`}`), []byte(`{"x":"`+pad[8:40]+`"}`))
	require.True(t, ok)
	require.Equal(t, `{"_attachments":[]}`, string(gone))
	moved, ok := Diff([]byte(`{"x":1,`+stub+`}`), []byte(`{"x":1,`+strings.Replace(stub, `"revpos":1`, `"revpos":2`, 1)+`}`))
	require.True(t, ok)
	require.Equal(t, `{"_attachments":{"a":{"revpos":2}}}`, string(moved))
}

// A text of many levels must not be copied on each of them for the few bytes that
// replacing the level as a whole saves.
func TestDiffTakesTimeBySizeNotByDepth(t *testing.T) {
	t.Parallel()
	const levels = 500
	leaf := strings.Repeat("x", 1<<16)
	old := strings.Repeat(`{"z":1,"a":`, levels) + `"` + leaf + `"` + strings.Repeat("}", levels)
	target := strings.Repeat(`{"a":`, levels) + `"y` + leaf + `"` + strings.Repeat("}", levels)
	from, err := parse([]byte(old))
	require.NoError(t, err)
	to, err := parse([]byte(target))
	require.NoError(t, err)
	d := differ{old: from, target: to}
	require.True(t, d.object(from.top, to.top))
	require.Equal(t, levels, strings.Count(string(d.out), `"z":[]`))
}

func applied(t *testing.T, old string, delta []byte) string {
	t.Helper()
	got, err := Apply([]byte(old), delta)
	require.NoError(t, err)
	return string(got)
}
