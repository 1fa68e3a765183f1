package script

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"
)

// kilobyte is a document of 1 KB of the usual shape.
func kilobyte(tb testing.TB) []byte {
	tb.Helper()
	doc := map[string]any{
		"_id": "list-1", "_rev": "1-00112233445566778899aabbccddeeff",
		"type": "list", "owner": "alice", "members": []string{"bob", "carol", "dave"}, "title": "Groceries",
		"created": 1732000000, "done": false, "position": map[string]any{"lat": 52.5163, "lon": 13.3777},
		"items": []map[string]any{{"name": "milk", "count": 2}, {"name": "bread", "count": 1}, {"name": "eggs", "count": 12}},
	}
	for i := range 12 {
		doc[fmt.Sprintf("field%d", i)] = strings.Repeat("x", 40)
	}
	text, err := json.Marshal(doc)
	require.NoError(tb, err)
	return text
}

// reportCPU adds the processor time that an operation took, garbage collection included:
// on a busy machine it says more than the time on the clock.
func reportCPU(b *testing.B) {
	b.Helper()
	used := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	begin := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-begin)/float64(b.N), "cpu-ns/op") })
}

type nobody struct{}

func (nobody) Begin()                       {}
func (nobody) Invoke(string, []Value) error { return nil }

func BenchmarkCall(b *testing.B) {
	f, err := Compile("bench.js", `function (doc, oldDoc) {
		if (oldDoc && oldDoc.owner !== doc.owner) throw({forbidden: "owner"});
		if (doc.type !== "list") throw({forbidden: "type"});
		tell(doc._id);
		for (var i = 0; i < doc.members.length; i++) tell(doc.members[i], doc._id);
	}`, Options{Functions: []string{"tell"}})
	require.NoError(b, err)
	doc := string(kilobyte(b))
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		if _, err := f.Call(b.Context(), nobody{}, doc, doc, "null"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallOfNothing(b *testing.B) {
	f, err := Compile("bench.js", `function () {}`, Options{})
	require.NoError(b, err)
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		_, _ = f.Call(b.Context(), nobody{})
	}
}

func BenchmarkConvert(b *testing.B) {
	doc := string(kilobyte(b))
	s, err := newSandbox(Options{}.withDefaults())
	require.NoError(b, err)
	b.Run("members looked at: 3", func(b *testing.B) {
		b.ReportAllocs()
		reportCPU(b)
		for b.Loop() {
			s.made = 0
			value, _ := s.argument(doc)
			for _, name := range []string{"type", "owner", "members"} {
				value.(*goja.Object).Get(name)
			}
			s.reclaim()
		}
	})
	b.Run("all at once", func(b *testing.B) {
		b.ReportAllocs()
		reportCPU(b)
		for b.Loop() {
			s.made = 0
			if _, err := s.parse(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("goja's JSON.parse", func(b *testing.B) {
		js := goja.New()
		parse, _ := goja.AssertFunction(js.GlobalObject().Get("JSON").(*goja.Object).Get("parse"))
		b.ReportAllocs()
		reportCPU(b)
		for b.Loop() {
			_, _ = parse(nil, js.ToValue(doc))
		}
	})
}

func BenchmarkRegExp(b *testing.B) {
	f, err := Compile("bench.js", `function (doc) { return /^[a-z]+-[0-9]+$/.test(doc._id) && doc.field1.replace(/x/g, "y") }`, Options{})
	require.NoError(b, err)
	doc := string(kilobyte(b))
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		_, _ = f.Call(b.Context(), nobody{}, doc)
	}
}

func BenchmarkNewSandbox(b *testing.B) {
	b.ReportAllocs()
	reportCPU(b)
	for b.Loop() {
		_, _ = newSandbox(Options{}.withDefaults())
	}
}
