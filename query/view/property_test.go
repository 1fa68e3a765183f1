package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const testMap = `function (doc) {
	if (doc.k === undefined) return
	if (doc.k === "throw") throw new Error("no")
	for (let i = 0; i < doc.n; i++) emit(doc.k, doc.v)
	if (doc._conflicts) emit(["conflict", doc._conflicts.length], 1)
	emit([doc.n, doc.k], {_id: doc.link})
	emit([doc.n, typeof doc.k, 1], doc.v)
}`

var testReduces = []string{
	"", "_count", "_approx_count_distinct",
	`function (keys, values, rereduce) { return rereduce ? sum(values) : keys.length === values.length ? values.length : -1e9 }`,
}

// viewModel is a collection with a view, and the same view computed without an index.
type viewModel struct {
	collection *syncstore.Collection
	views      *Views
	collation  *query.Collation
	design     *design.Document
}

// testFunctions are shared: runtimes take some milliseconds to make.
var testFunctions = design.NewFunctions()

func newViewModel(tb testing.TB) *viewModel {
	tb.Helper()
	return viewModelOn(tb, memory.New(), 3)
}

// viewModelOn has blocks of a number of rows in its indexes, 0 for as many as usual.
func viewModelOn(tb testing.TB, eng engine.Engine, block int) *viewModel {
	tb.Helper()
	store, err := syncstore.Open(tb.Context(), eng, syncstore.Options{IndexBlock: block})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	return viewModelIn(tb, store, "db")
}

// viewModelIn makes its database in a store.
func viewModelIn(tb testing.TB, store *syncstore.Store, name string) *viewModel {
	tb.Helper()
	db, err := store.CreateDatabase(tb.Context(), name)
	require.NoError(tb, err)
	m := &viewModel{
		collection: db.Default(), views: New(testFunctions, nil), collation: query.NewCollation(),
		design: &design.Document{ID: "_design/d", Language: design.JavaScript, Views: map[string]design.View{}},
	}
	for i, reduce := range testReduces {
		m.design.Views[fmt.Sprint(i)] = design.View{Map: testMap, Reduce: reduce}
	}
	return m
}

// rows are the rows of a view, computed anew.
func (m *viewModel) rows(t require.TestingT, view string) (rows []Row) {
	function, err := m.views.functions.Map(m.design, view)
	require.NoError(t, err)
	ctx := background()
	require.NoError(t, m.collection.AllDocs(ctx, syncstore.AllDocsOptions{Conflicts: true}, func(doc *syncstore.Document) error {
		if syncstore.IsDesign(doc.ID) {
			return nil
		}
		emitted, _, err := function.Rows(ctx, doc.FunctionJSON())
		if err != nil {
			return nil //nolint:nilerr // it has no rows
		}
		for _, e := range emitted {
			rows = append(rows, Row{doc.ID, []byte(e.Key), []byte(e.Value)})
		}
		return nil
	}))
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(m.collation.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID), m.collation.Compare(a.Value, b.Value),
			strings.Compare(string(a.Value), string(b.Value)))
	})
	return rows
}

// meant are the rows of a range.
func (m *viewModel) meant(all []Row, o *Options) (rows []Row) {
	low, high, lowDoc, highDoc := o.Start, o.End, o.StartDoc, o.EndDoc
	lowOut, highOut := false, o.ExcludeEnd
	if o.Descending {
		low, high, lowDoc, highDoc, lowOut, highOut = high, low, highDoc, lowDoc, highOut, lowOut
	}
	for _, row := range all {
		if low != nil {
			order := m.collation.Compare(row.Key, low)
			if order == 0 && lowDoc != "" {
				order = strings.Compare(row.ID, lowDoc)
			}
			if order < 0 || order == 0 && lowOut {
				continue
			}
		}
		if high != nil {
			order := m.collation.Compare(row.Key, high)
			if order == 0 && highDoc != "" {
				order = strings.Compare(row.ID, highDoc)
			}
			if order > 0 || order == 0 && highOut {
				continue
			}
		}
		rows = append(rows, row)
	}
	if o.Descending {
		slices.Reverse(rows)
	}
	return rows
}

// answer is what a query must be answered with.
func (m *viewModel) answer(all []Row, o *Options, reduce string) (rows []string) {
	var parts [][]Row
	if o.Keys == nil {
		parts = [][]Row{m.meant(all, o)}
	}
	for _, key := range o.Keys {
		parts = append(parts, m.meant(all, &Options{Start: key, End: key, Descending: o.Descending}))
	}
	for _, part := range parts {
		if reduce == "" || o.MapOnly {
			for _, row := range part {
				rows = append(rows, fmt.Sprintf("%s %s %s", row.ID, row.Key, row.Value))
			}
			continue
		}
		rows = append(rows, m.groups(part, o, reduce)...)
	}
	rows = append([]string{}, rows[min(o.Skip, len(rows)):]...)
	if o.Limit >= 0 {
		rows = rows[:min(o.Limit, len(rows))]
	}
	return rows
}

func (m *viewModel) groups(part []Row, o *Options, reduce string) (rows []string) {
	var key []byte
	n, distinct := 0, map[string]bool{}
	end := func() {
		if n == 0 {
			return
		}
		count := n
		if reduce == "_approx_count_distinct" {
			count = len(distinct)
		}
		rows = append(rows, fmt.Sprintf(" %s %d", key, count))
		n, distinct = 0, map[string]bool{}
	}
	for _, row := range part {
		group := []byte("null")
		var elements []json.RawMessage
		switch {
		case o.GroupLevel == GroupExact, o.GroupLevel != GroupNone && json.Unmarshal(row.Key, &elements) != nil:
			group = row.Key
		case o.GroupLevel > 0 && elements != nil:
			short, err := json.Marshal(elements[:min(len(elements), o.GroupLevel)])
			if err != nil {
				panic(err)
			}
			group = short
		case o.GroupLevel > 0:
			group = row.Key
		}
		if n > 0 && m.collation.Compare(group, key) != 0 {
			end()
		}
		if n == 0 {
			key = group
		}
		n++
		distinct[string(m.collation.AppendSortKey(nil, row.Key))] = true
	}
	end()
	return rows
}

// collected is a sink.
type collected struct {
	head Head
	rows []string
}

func (c *collected) Begin(h Head) error { c.head = h; return nil }

func (c *collected) Row(r *Row) error {
	c.rows = append(c.rows, fmt.Sprintf("%s %s %s", r.ID, r.Key, r.Value))
	return nil
}

var testKeys = []string{
	`null`, `true`, `0`, `1`, `2`, `-1.5`, `"a"`, `"A"`, `"b"`, `"é"`, `""`, `[]`, `[0]`, `[1,"a"]`, `[2,"b"]`, `["conflict",1]`, `{}`, `{"a":1}`, `"throw"`,
	`[1,"string",1]`,
}

// write changes a document, or makes a conflict.
func (m *viewModel) write(t *rapid.T) {
	id := fmt.Sprintf("d%d", rapid.IntRange(0, 7).Draw(t, "id"))
	body := fmt.Sprintf(`{"k":%s,"n":%d,"v":%s,"link":"d%d"}`, rapid.SampledFrom(testKeys).Draw(t, "k"),
		rapid.IntRange(0, 3).Draw(t, "n"), rapid.SampledFrom(testKeys).Draw(t, "v"), rapid.IntRange(0, 7).Draw(t, "link"))
	edit := syncstore.Edit{ID: id, Body: []byte(body)}
	switch rapid.IntRange(0, 9).Draw(t, "how") {
	case 0:
		edit.History = []syncstore.Rev{{Gen: rapid.Uint64Range(1, 4).Draw(t, "gen"), Digest: rapid.StringMatching("[a-f]{2}").Draw(t, "digest")}}
	case 1:
		edit.Deleted, edit.Body = true, nil
		fallthrough
	default:
		doc, err := m.collection.Get(background(), id, syncstore.GetOptions{})
		if err == nil {
			edit.Parent = doc.Rev
		} else if edit.Deleted {
			return
		}
	}
	_ = m.collection.Write(background(), []syncstore.Edit{edit}, syncstore.WriteOptions{})
}

func (m *viewModel) options(t *rapid.T, reduce string) Options {
	key := func(name string) []byte {
		if rapid.Bool().Draw(t, name+"?") {
			return nil
		}
		return []byte(rapid.SampledFrom(testKeys).Draw(t, name))
	}
	o := Options{
		Descending: rapid.Bool().Draw(t, "descending"), Skip: rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "skip"),
		Limit: rapid.SampledFrom([]int{-1, -1, 0, 1, 4}).Draw(t, "limit"), ExcludeEnd: rapid.Bool().Draw(t, "exclude"),
		MapOnly: rapid.Bool().Draw(t, "map only"),
	}
	if reduce != "" && !o.MapOnly {
		o.GroupLevel = rapid.SampledFrom([]int{GroupNone, GroupExact, 1, 2}).Draw(t, "group")
	}
	if rapid.IntRange(0, 4).Draw(t, "keys?") == 0 && (reduce == "" || o.MapOnly || o.GroupLevel == GroupExact) {
		o.Keys = [][]byte{}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom(testKeys), 0, 4).Draw(t, "keys") {
			o.Keys = append(o.Keys, []byte(k))
		}
		return o
	}
	o.Start, o.End = key("start"), key("end")
	if o.Start != nil && rapid.Bool().Draw(t, "start doc?") {
		o.StartDoc = "d3"
	}
	if o.End != nil && rapid.Bool().Draw(t, "end doc?") {
		o.EndDoc = "d4"
	}
	return o
}

// Over any documents, updates, deletions and conflicts, a view answers what it would without an
// index.
func TestViewsAnswerAsIfComputedAnew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := newViewModel(t)
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 12).Draw(rt, "writes") {
				m.write(rt)
			}
			all := m.rows(rt, "0")
			for range 4 {
				name := rapid.IntRange(0, len(testReduces)-1).Draw(rt, "view")
				reduce := testReduces[name]
				o := m.options(rt, reduce)
				v, err := m.views.Open(m.collection, m.design, fmt.Sprint(name))
				require.NoError(rt, err)
				var got collected
				err = v.Query(background(), o, &got)
				if o.check(v) != nil {
					require.Error(rt, err)
					continue
				}
				require.NoError(rt, err)
				require.Equal(rt, m.answer(all, &o, reduce), append([]string{}, got.rows...), "%+v", o)
				m.checkHead(rt, &got, all, &o)
			}
		}
	})
}

func (m *viewModel) checkHead(t require.TestingT, got *collected, all []Row, o *Options) {
	if got.head.Reduced {
		return
	}
	require.EqualValues(t, len(all), got.head.Total)
	require.True(t, got.head.All)
	require.Equal(t, m.collection.Info().Seq, got.head.Seq)
	if o.Keys != nil || len(got.rows) == 0 {
		return
	}
	from := *o
	from.End, from.EndDoc, from.ExcludeEnd = nil, "", false
	require.EqualValues(t, len(all)-len(m.meant(all, &from))+o.Skip, got.head.Offset)
}
