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
	m := viewModelOn(b, eng)
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
