package view

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func background() context.Context { return context.Background() }

// reduced is what a view reduces values to.
func reduced(t *testing.T, reduce string, o Options, rows ...string) ([]string, error) {
	t.Helper()
	m := newViewModel(t)
	m.design.Views["v"] = design.View{Map: `function (doc) { for (const [k, v] of doc.rows) emit(k, v) }`, Reduce: reduce}
	for i, row := range rows {
		edit := syncstore.Edit{ID: fmt.Sprintf("%04d", i), Body: []byte(`{"rows":[` + row + `]}`)}
		require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0].Err)
	}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	var got collected
	o.Limit = -1
	err = v.Query(t.Context(), o, &got)
	return got.rows, err
}

func TestBuiltInReduceFunctions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reduce, want string
		rows         []string
	}{
		{"_sum", " null 6.5", []string{`[1,1],[2,2]`, `[3,3.5]`}},
		{"_sum", " null [7,6,3,4]", []string{`[1,2]`, `[1,[1,2,3,4]]`, `[1,[3,4]]`, `[1,1]`}},
		{"_sum", ` null {"a":3,"b":{"c":5},"d":1}`, []string{`[1,{"a":1,"b":{"c":2}}]`, `[1,{"a":2,"b":{"c":3},"d":1}]`}},
		{"_sum\ngarbage", " null 12345678901234567000", []string{`[1,12345678901234567000]`}},
		{"_count", " null 3", []string{`[1,"x"],[1,null]`, `[1,{}]`}},
		{"_stats", ` null {"sum":6,"count":3,"min":-1,"max":4,"sumsqr":26}`, []string{`[1,4],[1,-1]`, `[1,3]`}},
		{"_stats", ` null [{"sum":3,"count":2,"min":1,"max":2,"sumsqr":5},{"sum":9,"count":2,"min":4,"max":5,"sumsqr":41}]`, []string{`[1,[1,4]]`, `[1,[2,5]]`}},
		{"_stats", ` null {"sum":5,"count":3,"min":0,"max":4,"sumsqr":17}`, []string{`[1,4]`, `[1,{"sum":1,"count":2,"min":0,"max":1,"sumsqr":1}]`}},
		{"_approx_count_distinct", " null 3", []string{`["a",1],["A",1]`, `["a",1],[[1],1]`}},
	} {
		rows, err := reduced(t, c.reduce, Options{}, c.rows...)
		require.NoError(t, err, c)
		require.Equal(t, []string{c.want}, rows, c.reduce)
	}
	for _, c := range []struct{ reduce, row string }{
		{"_sum", `[1,"x"]`}, {"_sum", `[1,1],[1,["x"]]`}, {"_sum", `[1,{"a":1}],[1,2]`}, {"_sum", `[1,{"a":"x"}]`}, {"_sum", `[1,null]`},
		{"_sum", `[1,{"a":` + strings.Repeat(`{"a":`, 120) + `1` + strings.Repeat(`}`, 121) + `]`},
		{"_stats", `[1,"x"]`}, {"_stats", `[1,1],[1,[1]]`}, {"_stats", `[1,[1,2]],[1,[1]]`}, {"_stats", `[1,{"sum":1}]`},
		{"_sum", `[1,1.5e308],[1,1.5e308]`}, {"_sum", `[1,{"a":1.5e308}],[1,{"a":1.5e308}]`}, {"_stats", `[1,1e200]`},
	} {
		_, err := reduced(t, c.reduce, Options{}, c.row)
		var failed *design.Error
		require.ErrorAs(t, err, &failed, c)
		require.Equal(t, design.ErrorReduce, failed.Name)
	}
	rows, err := reduced(t, "_sum", Options{})
	require.NoError(t, err)
	require.Empty(t, rows, "of nothing there is no reduction")
}

func TestReduceFunctionsInJavaScript(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1200 {
		many = append(many, fmt.Sprintf(`[[%d,"k"],%d]`, i%2, i))
	}
	const total = `function (keys, values, rereduce) {
		if (rereduce !== (keys === null)) throw new Error("keys")
		if (keys && (keys.length !== values.length || typeof keys[0][1] !== "string" || keys[0][0][1] !== "k")) throw new Error("keys")
		return sum(values)
	}`
	rows, err := reduced(t, total, Options{}, many...)
	require.NoError(t, err)
	require.Equal(t, []string{" null 719400"}, rows)
	rows, err = reduced(t, total, Options{GroupLevel: 1}, many...)
	require.NoError(t, err)
	require.Equal(t, []string{" [0] 359400", " [1] 360000"}, rows)
	rows, err = reduced(t, `function (keys, values) { values.x.y }`, Options{}, `[1,1]`)
	require.NoError(t, err)
	require.Equal(t, []string{" null null"}, rows, "what throws is null, as in CouchDB")
	rows, err = reduced(t, `() => undefined`, Options{}, `[1,1]`)
	require.NoError(t, err)
	require.Equal(t, []string{" null null"}, rows)
	_, err = reduced(t, `function () { for (;;) {} }`, Options{}, `[1,1]`)
	require.Error(t, err)
	// What others take beside it counts as a function's memory (script.Function.Call).
	require.Regexp(t, "timed out|memory limit", err.Error())
}

func TestOptionsThatContradictThemselves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reduce, reason string
		o              Options
	}{
		{"", "Reduce is invalid for map-only views.", Options{MustReduce: true}},
		{"", "Invalid use of grouping on a map view.", Options{GroupLevel: 1}},
		{"_sum", "Invalid use of grouping on a map view.", Options{GroupLevel: GroupExact, MapOnly: true}},
		{"_sum", "Multi-key fetchs for reduce views must use `group=true`", Options{Keys: [][]byte{}}},
		{"", "No rows can match your key range", Options{Start: []byte("2"), End: []byte("1")}},
		{"", "No rows can match your key range", Options{Start: []byte("1"), End: []byte("2"), Descending: true}},
	} {
		_, err := reduced(t, c.reduce, c.o)
		var failed *design.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, design.ErrorParse, failed.Name)
		require.Contains(t, failed.Reason, c.reason)
	}
}

func TestTheRangesOfManyKeysAreNotInMemoryAtOnce(t *testing.T) { //nolint:paralleltest // counts allocations
	m := newViewModel(t)
	require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{{ID: "a", Body: []byte(`{}`)}}, syncstore.WriteOptions{})[0].Err)
	m.design.Views["v"] = design.View{Map: `doc => emit(1)`}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = []byte("1")
	}
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: 3, Keys: keys}, &got))
	require.Equal(t, []string{"a 1 null", "a 1 null", "a 1 null"}, got.rows)
	allocated := testing.AllocsPerRun(10, func() {
		_ = v.Query(t.Context(), Options{Limit: 1, Keys: keys}, &collected{})
	})
	require.Less(t, allocated, float64(len(keys)))
}

func TestRowsThatAreTooMuchAreLeftOut(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.design.Views["v"] = design.View{Map: `function (doc) {
		try { for (let i = 0; i < doc.n; i++) emit(i) } catch (e) {}
		emit("x".repeat(doc.length)); emit("short")
	}`}
	for i, body := range []string{`{"n":60000,"length":1}`, `{"n":0,"length":20000}`, `{"n":0,"length":2}`} {
		require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{{ID: fmt.Sprint(i), Body: []byte(body)}}, syncstore.WriteOptions{})[0].Err)
	}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	require.Equal(t, []string{`1 "short" null`, `2 "short" null`, `2 "xx" null`}, got.rows, "a document of too many rows, and a key that is too long")
}

func TestIndexesAreSharedAndCleanedUp(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	write := func(id, body string) syncstore.Rev {
		t.Helper()
		edit := syncstore.Edit{ID: id, Body: []byte(body)}
		if old, err := m.collection.Get(t.Context(), id, syncstore.GetOptions{}); err == nil {
			edit.Parent = old.Rev
		}
		result := m.collection.Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0]
		require.NoError(t, result.Err)
		return result.Rev
	}
	views := func(maps ...string) string {
		all := map[string]map[string]string{}
		for i, text := range maps {
			all[fmt.Sprint(i)] = map[string]string{"map": text, "reduce": "_count"}
		}
		text, err := json.Marshal(map[string]any{"views": all})
		require.NoError(t, err)
		return string(text)
	}
	query := func(id, name string) {
		t.Helper()
		doc, err := m.collection.Get(t.Context(), id, syncstore.GetOptions{})
		require.NoError(t, err)
		d, err := design.Parse(doc)
		require.NoError(t, err)
		v, err := m.views.Open(m.collection, d, name)
		require.NoError(t, err)
		require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &collected{}))
		info, err := m.views.Info(t.Context(), m.collection, d)
		require.NoError(t, err)
		require.NotEmpty(t, info.Signature)
	}
	stored := func() int {
		t.Helper()
		ids, err := m.collection.StoredIndexes(t.Context())
		require.NoError(t, err)
		return len(ids)
	}
	write("a", `{}`)
	write("_design/one", views(`doc => emit(1)`, `doc => emit(2)`))
	write("_design/two", views(`doc => emit(2)`))
	query("_design/one", "0")
	query("_design/one", "1")
	query("_design/two", "0")
	require.Equal(t, 2, stored())
	require.NoError(t, m.views.Cleanup(t.Context(), m.collection))
	require.Equal(t, 2, stored())
	write("_design/one", views(`doc => emit(3)`))
	require.NoError(t, m.views.Cleanup(t.Context(), m.collection))
	require.Equal(t, 1, stored(), "that of another design document stays")
	query("_design/one", "0")
	query("_design/two", "0")
	require.Equal(t, 2, stored())
	now := m.views.keepUp(t.Context(), m.collection, upkept{})
	require.Equal(t, now, m.views.keepUp(t.Context(), m.collection, now))
}

// heapAtBegin is a Sink that looks what is held when the first rows are there.
type heapAtBegin struct {
	held uint64
	rows int
}

func (s *heapAtBegin) Begin(Head) error {
	s.held = heap()
	return nil
}

func (s *heapAtBegin) Row(*Row) error { s.rows++; return nil }

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// A body has room for millions of keys, and the rows of each are a range of the index. It is not parallel: it
// measures memory.
func TestKeysAreNotHeldAsRanges(t *testing.T) { //nolint:paralleltest // see above
	m := newViewModel(t)
	m.design.Views["v"] = design.View{Map: `function (doc) { emit(1) }`}
	edit := syncstore.Edit{ID: "a", Body: []byte(`{}`)}
	require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0].Err)
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	o := Options{Limit: 2000, Keys: make([][]byte, 300_000)}
	for i := range o.Keys {
		o.Keys[i] = []byte("1")
	}
	before := heap()
	var sink heapAtBegin
	require.NoError(t, v.Query(t.Context(), o, &sink))
	require.Equal(t, 2000, sink.rows)
	require.Less(t, int64(sink.held)-int64(before), int64(20<<20))
}
