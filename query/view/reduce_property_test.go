package view

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// statsInJavaScript comes to what _stats does, so that the values of a rereduce are of its own.
const statsInJavaScript = `function (keys, values, rereduce) {
	const all = values.map(v => rereduce ? v : {sum: v, count: 1, min: v, max: v, sumsqr: v * v})
	return all.reduce((a, b) => ({sum: a.sum + b.sum, count: a.count + b.count, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), sumsqr: a.sumsqr + b.sumsqr}))
}`

// numbers are what a naive reduction makes of rows, by group.
func (m *viewModel) numbers(rows []Row, level int, reduce string) (groups []string) {
	var key string
	var of statistics
	end := func() {
		if of.Count == 0 {
			return
		}
		var value any = of
		switch reduce {
		case "_sum":
			value = of.Sum
		case "_count":
			value = of.Count
		}
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		groups = append(groups, fmt.Sprintf(" %s %s", key, text))
		of = statistics{}
	}
	for _, row := range rows {
		var elements []json.RawMessage
		if err := json.Unmarshal(row.Key, &elements); err != nil {
			panic(err)
		}
		var value float64
		if err := json.Unmarshal(row.Value, &value); err != nil {
			panic(err)
		}
		group := []byte("null")
		if level != GroupNone {
			if level != GroupExact {
				elements = elements[:min(level, len(elements))]
			}
			group, _ = json.Marshal(elements)
		}
		if string(group) != key {
			end()
		}
		key = string(group)
		of.add(statistics{value, 1, value, value, value * value})
	}
	end()
	return groups
}

// Whatever is written between queries, a reduction is that of all rows: what is kept of blocks of
// rows is never that of rows which changed.
func TestReductionsAreThoseOfAllRows(t *testing.T) {
	t.Parallel()
	reduces := []string{"_sum", "_count", "_stats", statsInJavaScript}
	rapid.Check(t, func(rt *rapid.T) {
		m := newViewModel(t)
		for i, reduce := range reduces {
			m.design.Views[fmt.Sprint(i)] = design.View{
				Map: `function (doc) { for (let i = 0; i < doc.rows; i++) emit([doc.a, doc.b, i], doc.a + i) }`, Reduce: reduce,
			}
		}
		number := rapid.IntRange(0, 4)
		for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 6).Draw(rt, "writes") {
				id := fmt.Sprint("d", rapid.IntRange(0, 30).Draw(rt, "id"))
				edit := syncstore.Edit{ID: id, Deleted: rapid.IntRange(0, 5).Draw(rt, "deleted") == 0, Body: fmt.Appendf(nil,
					`{"rows":%d,"a":%d,"b":%d}`, number.Draw(rt, "rows"), number.Draw(rt, "a"), number.Draw(rt, "b"))}
				if doc, err := m.collection.Get(background(), id, syncstore.GetOptions{}); err == nil {
					edit.Parent = doc.Rev
				}
				_ = m.collection.Write(background(), []syncstore.Edit{edit}, syncstore.WriteOptions{})
			}
			all := m.rows(rt, "0")
			for range 4 {
				i := rapid.IntRange(0, len(reduces)-1).Draw(rt, "view")
				o := Options{
					Limit: -1, GroupLevel: rapid.SampledFrom([]int{GroupNone, GroupNone, GroupExact, 1, 2}).Draw(rt, "level"),
					Descending: rapid.Bool().Draw(rt, "descending"), ExcludeEnd: rapid.Bool().Draw(rt, "exclude"),
				}
				low, high := number.Draw(rt, "low"), number.Draw(rt, "high")
				if low <= high {
					o.Start, o.End = fmt.Appendf(nil, `[%d]`, low), fmt.Appendf(nil, `[%d,2,{}]`, high)
				}
				if o.Descending {
					o.Start, o.End = o.End, o.Start
				}
				v, err := m.views.Open(m.collection, m.design, fmt.Sprint(i))
				require.NoError(rt, err)
				var got collected
				require.NoError(rt, v.Query(background(), o, &got))
				require.Equal(rt, m.numbers(m.meant(all, &o), o.GroupLevel, reduces[i]), got.rows, "%+v of %s", o, reduces[i])
			}
		}
	})
}
