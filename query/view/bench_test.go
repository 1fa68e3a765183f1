package view

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

// BenchmarkBuild builds the index of a simple view over documents of 1 KB. What it
// costs in processor time is told too, for machines that have other things to do.
func BenchmarkBuild(b *testing.B) {
	eng, err := badger.Open(b.TempDir(), badger.Options{Memory: 1 << 30})
	require.NoError(b, err)
	b.Cleanup(func() { _ = eng.Close() })
	m := viewModelOn(b, eng, 0)
	m.design.Views["v"] = design.View{Map: `function (doc) { if (doc.type === "note") emit(doc.at, null) }`}
	const batch = 500
	for begin := 0; begin < b.N; begin += batch {
		edits := make([]syncstore.Edit, batch)
		for i := range edits {
			edits[i] = syncstore.Edit{ID: fmt.Sprintf("doc%08d", begin+i), Body: fmt.Appendf(nil, `{"type":"note","at":%d,"text":%q}`, (begin+i)*7919%100_000, strings.Repeat("x", 950))}
		}
		for _, result := range m.collection.Write(b.Context(), edits, syncstore.WriteOptions{}) {
			require.NoError(b, result.Err)
		}
	}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	began := processorTime(b)
	require.NoError(b, v.Query(b.Context(), Options{Limit: 1}, &collected{}))
	b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "cpu-ns/op")
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkReduce reduces the 100 000 rows of a view, by groups and altogether, and looks for how
// many rows are before the last ones.
func BenchmarkReduce(b *testing.B) {
	const rows = 100_000
	eng, err := badger.Open(b.TempDir(), badger.Options{Memory: 1 << 30})
	require.NoError(b, err)
	b.Cleanup(func() { _ = eng.Close() })
	m := viewModelOn(b, eng, 0)
	reduces := map[string]string{
		"sum": "_sum", "count": "_count", "stats": "_stats", "js": `function (keys, values, rereduce) { return sum(values) }`, "map": "",
	}
	for name, reduce := range reduces {
		m.design.Views[name] = design.View{Map: `function (doc) { emit([2000 + doc.at % 20, doc.at % 12, doc.at], doc.at) }`, Reduce: reduce}
	}
	for begin := 0; begin < rows; begin += 500 {
		edits := make([]syncstore.Edit, 500)
		for i := range edits {
			edits[i] = syncstore.Edit{ID: fmt.Sprintf("doc%08d", begin+i), Body: fmt.Appendf(nil, `{"type":"note","at":%d}`, (begin+i)*7919%rows)}
		}
		for _, result := range m.collection.Write(b.Context(), edits, syncstore.WriteOptions{}) {
			require.NoError(b, result.Err)
		}
	}
	for _, c := range []struct {
		name, view string
		o          Options
	}{
		{"count", "count", Options{}}, {"sum", "sum", Options{}}, {"stats", "stats", Options{}}, {"js", "js", Options{}},
		{"sum of years", "sum", Options{GroupLevel: 1}}, {"sum of months", "sum", Options{GroupLevel: 2}}, {"js of years", "js", Options{GroupLevel: 1}},
		{"sum of a range", "sum", Options{Start: []byte(`[2003]`), End: []byte(`[2017,{}]`)}},
		{"offset", "map", Options{Start: []byte(`[2019,11]`)}},
		{"skip", "map", Options{Skip: rows - 10}},
	} {
		v, err := m.views.Open(m.collection, m.design, c.view)
		require.NoError(b, err)
		if c.o.Skip == 0 {
			c.o.Limit = -1
		} else {
			c.o.Limit = 10
		}
		if c.name == "offset" {
			c.o.Limit = 10
		}
		require.NoError(b, v.Query(b.Context(), c.o, &collected{}))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				require.NoError(b, v.Query(b.Context(), c.o, &collected{}))
			}
		})
	}
}

// BenchmarkLookup asks for the row of a key, and reads a document beside it.
func BenchmarkLookup(b *testing.B) {
	const rows = 100_000
	eng, err := badger.Open(b.TempDir(), badger.Options{Memory: 1 << 30})
	require.NoError(b, err)
	b.Cleanup(func() { _ = eng.Close() })
	m := viewModelOn(b, eng, 0)
	m.design.Views["v"] = design.View{Map: `function (doc) { emit(doc.at, null) }`}
	for begin := 0; begin < rows; begin += 500 {
		edits := make([]syncstore.Edit, 500)
		for i := range edits {
			edits[i] = syncstore.Edit{ID: fmt.Sprintf("doc%08d", begin+i), Body: fmt.Appendf(nil, `{"type":"note","at":%d,"text":%q}`, (begin+i)*7919%rows, strings.Repeat("x", 950))}
		}
		for _, result := range m.collection.Write(b.Context(), edits, syncstore.WriteOptions{}) {
			require.NoError(b, result.Err)
		}
	}
	query := func(n int) {
		v, err := m.views.Open(m.collection, m.design, "v")
		require.NoError(b, err)
		key := fmt.Appendf(nil, "%d", n*7919%rows)
		var got collected
		require.NoError(b, v.Query(b.Context(), Options{Start: key, End: key, Limit: -1}, &got))
		require.Len(b, got.rows, 1)
	}
	query(1)
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for n := range b.N {
			query(n * 31 % rows)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for n := range b.N {
			_, err := m.collection.Get(b.Context(), fmt.Sprintf("doc%08d", n*31%rows), syncstore.GetOptions{})
			require.NoError(b, err)
		}
	})
}
