package jsondoc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDecision26_BodyIsTheInputLessUnderscoreMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, body string
		meta             []string // name, value, ...
	}{
		{"nothing", `{}`, `{}`, nil},
		{"no underscore", `{"a":1}`, `{"a":1}`, nil},
		{"inner white space stays", "{ \"a\" :\t1 ,\n\"b\":2 }", "{ \"a\" :\t1 ,\n\"b\":2 }", nil},
		{"outer white space goes", " \r\n{\"a\":1}\t", `{"a":1}`, nil},
		{"first", `{"_id":"x","a":1}`, `{"a":1}`, []string{"_id", `"x"`}},
		{"last", `{"a":1,"_id":"x"}`, `{"a":1}`, []string{"_id", `"x"`}},
		{"between", `{"a":1 , "_rev" : "1-a" , "b" : [ 2 ] }`, `{"a":1,"b" : [ 2 ]}`, []string{"_rev", `"1-a"`}},
		{"only", `{"_id":"x"}`, `{}`, []string{"_id", `"x"`}},
		{"order", `{"_z":{"_a":[1]},"_a":null}`, `{}`, []string{"_z", `{"_a":[1]}`, "_a", "null"}},
		{"written with an escape", `{"\u005fid":"x","a":1}`, `{"a":1}`, []string{"_id", `"x"`}},
		{"deeper ones stay", `{"a":{"_id":1}}`, `{"a":{"_id":1}}`, nil},
		{"empty name", `{"":1}`, `{"":1}`, nil},
		{"of CouchDB's replicator", `{"_replication_id":"r","_rev":"1-a","_replication_stats":{}}`, `{"_replication_id":"r","_replication_stats":{}}`, []string{"_rev", `"1-a"`}},
		{"a lone underscore", `{"_":1}`, `{}`, []string{"_", "1"}},
		{"numbers stay", `{"n":12345678901234567890,"d":0.1000000000000000055511151231257827,"e":1E+400,"_id":"x"}`,
			`{"n":12345678901234567890,"d":0.1000000000000000055511151231257827,"e":1E+400}`, []string{"_id", `"x"`}},
		{"escapes stay", `{"\u00e9":"\u00e9\/\uD83D\uDE00","_id":"x"}`, `{"\u00e9":"\u00e9\/\uD83D\uDE00"}`, []string{"_id", `"x"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc, err := Parse([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.body, string(doc.Body))
			var meta []string
			for _, m := range doc.Meta {
				meta = append(meta, m.Name, string(m.Value))
			}
			require.Equal(t, c.meta, meta)
		})
	}
}

func TestParseRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[]`, `1`, `"a"`, `null`, ` true `} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, ErrNotObject, text)
	}
	for _, text := range []string{``, ` `, `[`, `nul`, "\xef\xbb\xbf{}"} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, ErrSyntax, text)
	}
}

func TestBodySharesItsMemoryButNotItsCapacity(t *testing.T) {
	t.Parallel()
	text := []byte(`{"a":1} `)
	doc, err := Parse(text)
	require.NoError(t, err)
	require.Same(t, &text[0], &doc.Body[0])
	_ = append(doc.Body, 'x')
	require.Equal(t, `{"a":1} `, string(text))
}

// TestUnderscoreMembersGoAndNothingElseChanges makes documents member by member, so that
// it knows what must be left.
func TestUnderscoreMembersGoAndNothingElseChanges(t *testing.T) {
	t.Parallel()
	space := rapid.StringMatching(`[ \t\r\n]{0,3}`)
	value := rapid.SampledFrom([]string{
		`1`, `-0.5e+10`, `"_id"`, `"\"_x\":1,"`, `{"_a":1,"b":{}}`, `[ {"a":"}"} , "]" ]`, `true`, `null`, `"日本"`, `"\ud83d\ude00"`,
	})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 80).Draw(t, "members")
		var text, body bytes.Buffer
		var names []string
		text.WriteString("{" + space.Draw(t, "space"))
		for i := range n {
			name := fmt.Sprintf(`n%d`, i)
			if rapid.Bool().Draw(t, "underscore") {
				names = append(names, "_"+name)
				name = "_" + name
			}
			m := `"` + name + `"` + space.Draw(t, "space") + ":" + space.Draw(t, "space") + value.Draw(t, "value")
			if i > 0 {
				text.WriteString(space.Draw(t, "space") + "," + space.Draw(t, "space"))
			}
			text.WriteString(m)
			if name[0] == '_' {
				continue
			}
			if body.Len() > 0 {
				body.WriteByte(',')
			}
			body.WriteString(m)
		}
		text.WriteString(space.Draw(t, "space") + "}")
		doc, err := Parse(text.Bytes())
		require.NoError(t, err)
		if len(names) == 0 {
			require.Equal(t, text.String(), string(doc.Body))
			return
		}
		require.Equal(t, "{"+body.String()+"}", string(doc.Body))
		for i, m := range doc.Meta {
			require.Equal(t, names[i], m.Name)
		}
		require.Len(t, doc.Meta, len(names))
	})
}

func TestParseAllocates(t *testing.T) {
	for _, c := range []struct {
		name, text string
		allocs     float64
	}{
		{"nothing without underscores", typical(false), 0},
		{"body and meta with them", typical(true), 3}, // body, meta and its growth
	} {
		text := []byte(c.text)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			if _, err := Parse(text); err != nil {
				t.Error(err)
			}
		}), c.allocs, c.name)
	}
}

// typical returns a document of about 1 KB.
func typical(meta bool) string {
	var b strings.Builder
	b.WriteString("{")
	if meta {
		b.WriteString(`"_id":"order/2026/000017","_rev":"3-825cb35de44c433bfb2df415563a19de",`)
	}
	b.WriteString(`"type":"order","customer":{"name":"Ærøskøbing A/S","address":{"street":"Hovedgaden 12","city":"Århus","zip":"8000"}},` +
		`"created":"2026-11-02T08:15:30.123Z","total":1234.50,"paid":true,"notes":null,"tags":["export","urgent","fragile"],"lines":[`)
	for i := range 6 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"AB-%05d","text":"A thing with a rather long description, number %d","count":%d,"price":%d.95}`, i*7919, i, i+1, i*13)
	}
	b.WriteString(`],"channels":["orders","region-north"]}`)
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	wide := "{"
	for i := range 40 {
		wide += fmt.Sprintf(`"field number %d":"value %d",`, i, i)
	}
	for _, c := range []struct{ name, text string }{
		{"typical", typical(false)},
		{"meta", typical(true)},
		{"wide", wide + `"last":1}`},
		{"cjk", `{"text":"` + strings.Repeat("世界のことば。", 50) + `"}`},
		{"text", `{"text":"` + strings.Repeat("plain text ", 100) + `"}`},
		{"numbers", `{"n":[` + strings.Repeat("12.5,", 200) + `0]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := []byte(c.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
