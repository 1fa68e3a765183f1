package query

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchBody is a document of 1 KB as apps have them.
var benchBody = []byte(`{"type":"task","title":"Call the plumber about the kitchen","done":false,"priority":3,"owner":"alice",` +
	`"tags":["home","urgent","phone"],"due":{"date":"2026-11-26","time":"10:30"},"text":"` + strings.Repeat("words and ", 60) +
	`","members":[{"name":"alice","role":"owner"},{"name":"bob","role":"reader"},{"name":"carol","role":"reader"}],"version":12}`)

func BenchmarkMatch(b *testing.B) {
	for _, test := range []struct{ name, selector string }{
		{"first member", `{"type":"task"}`},
		{"last member", `{"version":{"$gte":10}}`},
		{"missing", `{"nothing":1}`},
		{"five conditions", `{"type":"task","done":false,"priority":{"$gt":1,"$lt":5},"due.date":{"$gte":"2026-11-01"}}`},
		{"elemMatch", `{"members":{"$elemMatch":{"name":"carol","role":"reader"}}}`},
		{"in", `{"owner":{"$in":["alice","bob","carol","dave","eve"]}}`},
		{"regex", `{"title":{"$regex":"plumber"}}`},
		{"collator", `{"title":{"$gt":"Çall"}}`},
	} {
		b.Run(test.name, func(b *testing.B) {
			s, err := Parse([]byte(test.selector))
			require.NoError(b, err)
			doc := &Document{ID: "a", Body: benchBody}
			b.ReportAllocs()
			b.SetBytes(int64(len(benchBody)))
			for b.Loop() {
				if _, err := s.Match(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"type":"task","done":false,"priority":{"$gt":1,"$lt":5},"due.date":{"$gte":"2026-11-01"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMostWork is how long one document can take at most, before it is refused.
func BenchmarkMostWork(b *testing.B) {
	many := func(items string, n int) string { return strings.TrimSuffix(strings.Repeat(items+",", n), ",") }
	for name, test := range map[string][2]string{
		"numbers": {`{"a":{"$elemMatch":{"$or":[` + many("7", 900) + `]}}}`, `{"a":[` + many("1.5", 200_000) + `]}`},
		"strings": {`{"a":{"$elemMatch":{"$or":[` + many(`"é"`, 900) + `]}}}`, `{"a":[` + many(`"è"`, 200_000) + `]}`},
		"long":    {`{"a":{"$or":[` + many(`"`+strings.Repeat("é", 100)+`"`, 900) + `]}}`, `{"a":"` + strings.Repeat("é", 1<<20) + `"}`},
		"fields":  {`{"a":{"$elemMatch":{"$or":[` + many(`{"b":1}`, 490) + `]}}}`, `{"a":[` + many(`{"c":1}`, 200_000) + `]}`},
		"in":      {`{"a":{"$in":[` + many(`"é"`, 30_000) + `]}}`, `{"a":[` + many(`"è"`, 200_000) + `]}`},
		"regex":   {`{"a":{"$regex":"(x?){200}y"}}`, `{"a":"` + strings.Repeat("x", 80_000) + `"}`},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := Parse([]byte(test[0]))
			require.NoError(b, err)
			for b.Loop() {
				_, _ = s.Match(&Document{Body: []byte(test[1])})
			}
		})
	}
}
