package jsondoc

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var seeds = []string{
	`{}`, `{"a":1,"_id":"x"}`, ` {"a":[1,2,{"b":null}],"_rev":"1-a"} `, `{"a":1,"\u0061":2}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`,
	`[01]`, `{"a":1.5e-3}`, "\"\xff\"", "\xef\xbb\xbf{}", `{"_":{"_":[]},"é":"日本"}`, `"\\ud800"`, `[[[[[[]]]]]]`, `{"a":tru}`, `-0.0E+00`,
}

func FuzzCheck(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Check(text)
		require.Equal(t, acceptable(text), err == nil, "%q: %v", text, err)
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		doc, err := Parse(text)
		require.Equal(t, before, text)
		trimmed := bytes.TrimLeft(text, " \t\r\n")
		require.Equal(t, acceptable(text) && trimmed[0] == '{', err == nil, "%q: %v", text, err)
		if err != nil {
			return
		}
		compare(t, text, doc)
		again, err := Parse(doc.Body)
		require.NoError(t, err)
		require.Equal(t, doc.Body, again.Body)
		require.Empty(t, again.Meta)
	})
}

func FuzzString(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip()
		}
		text, err := json.Marshal(s)
		require.NoError(t, err)
		got, err := String(text)
		require.NoError(t, err)
		require.Equal(t, s, got)
	})
}

// compare checks a document against what encoding/json makes of its text.
func compare(t *testing.T, text []byte, doc Document) {
	t.Helper()
	var all, body map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &all))
	require.NoError(t, json.Unmarshal(doc.Body, &body))
	for _, m := range doc.Meta {
		require.True(t, strings.HasPrefix(m.Name, "_"))
		require.Equal(t, string(all[m.Name]), string(m.Value))
		delete(all, m.Name)
	}
	require.Equal(t, all, body)
}

// acceptable says by means of encoding/json what Check must say.
func acceptable(text []byte) bool {
	return json.Valid(text) && utf8.Valid(text) && !halfSurrogate(text) && distinct(text)
}

var (
	backslashes = regexp.MustCompile(`\\\\`)
	pairs       = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	halves      = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)
)

func halfSurrogate(text []byte) bool {
	text = backslashes.ReplaceAll(text, []byte("__"))
	return halves.Match(pairs.ReplaceAll(text, []byte("_")))
}

// distinct reports whether valid text has no duplicate names and is not too deep.
func distinct(text []byte) bool {
	type level struct {
		names map[string]bool // nil for an array
		value bool            // a value comes next, not a name
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return true
		}
		top := len(open) - 1
		switch delim, _ := token.(json.Delim); {
		case delim == '}' || delim == ']':
			open = open[:top]
			continue
		case top >= 0 && open[top].names != nil && !open[top].value:
			name := token.(string)
			if open[top].names[name] {
				return false
			}
			open[top].names[name], open[top].value = true, true
			continue
		case delim == '{' || delim == '[':
			if len(open) == MaxDepth {
				return false
			}
			if top >= 0 {
				open[top].value = false
			}
			next := level{}
			if delim == '{' {
				next.names = map[string]bool{}
			}
			open = append(open, next)
		case top >= 0:
			open[top].value = false
		}
	}
}
