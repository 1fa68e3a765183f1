package mango

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planned is the index of a plan and its ranges, by what they were made of.
func planned(t *testing.T, body string, indexes ...string) string {
	t.Helper()
	m := New(nil)
	all := []*Index{AllDocs}
	for i, definition := range indexes {
		d, err := ParseDefinition([]byte(fmt.Sprintf(`{"index":%s,"ddoc":"d%d","name":"i%d"}`, definition, i, i)))
		require.NoError(t, err)
		all = append(all, d.finish())
	}
	r, err := ParseRequest([]byte(body))
	require.NoError(t, err)
	plan, err := m.plan(all, &question{
		selector: r.Selector, sort: r.Sort, useIndex: r.useIndex, allowFallback: r.allowFallback, hidden: func(*Index) bool { return false },
	})
	require.NoError(t, err)
	if plan.Index == nil {
		return "none"
	}
	text := plan.Index.Name
	for i := range plan.Ranges {
		text += " " + string(appendBounds(nil, plan.Ranges[i].Start, false)) + "-" + string(appendBounds(nil, plan.Ranges[i].End, false))
	}
	return strings.ReplaceAll(text, `"`, "")
}

func TestThePlannerChoosesAnIndexAndItsRanges(t *testing.T) {
	t.Parallel()
	const a, b, ab, ba = `{"fields":["a"]}`, `{"fields":["b"]}`, `{"fields":["a","b"]}`, `{"fields":["b","a"]}`
	for _, c := range []struct {
		body, want string
		indexes    []string
	}{
		{`{"selector":{"a":1}}`, "i0 [1]-[1]", []string{a, ab}},
		{`{"selector":{"a":1,"b":2}}`, "i1 [1,2]-[1,2]", []string{a, ab}},
		{`{"selector":{"a":{"$gt":1},"b":2}}`, "i1 [2,1]-[2]", []string{ab, ba}},
		{`{"selector":{"a":{"$gt":1},"b":{"$lt":2}}}`, "i0 [1]-[]", []string{ab, ba}},
		{`{"selector":{"a":{"$in":[2,1,1.0,[3]]},"b":1}}`, `i0 [1]-[1] [2]-[2] [[]]-[[<MAX>]]`, []string{ab}},
		{`{"selector":{"b":1,"a":{"$in":[2,1],"$gt":1}}}`, `i1 [1,2]-[1,2] [1,[]]-[1,[<MAX>]]`, []string{a, ba}},
		{`{"selector":{"a":{"$beginsWith":"x"}}}`, "i0 [x]-[x\uffff]", []string{a}},
		{`{"selector":{"a":{"$exists":true}}}`, "i0 []-[]", []string{a}},
		{`{"selector":{"a":{"$regex":"x"}}}`, "i0 []-[]", []string{a}},
		{`{"selector":{"a":{"$exists":false}}}`, "_all_docs []-[]", []string{a}},
		{`{"selector":{"$or":[{"a":1},{"a":2}]}}`, "i0 []-[]", []string{a}},
		{`{"selector":{"$or":[{"a":1},{"b":2}]}}`, "_all_docs []-[]", []string{a, b, ab}},
		{`{"selector":{"$and":[{"a":1},{"a":2}]}}`, "i0", []string{a}},
		{`{"selector":{"a":{"$not":{"$lte":3}}}}`, "i0 [3]-[]", []string{a}},
		{`{"selector":{"a":1},"sort":["b"]}`, "i2 [1]-[1]", []string{a, b, ab}},
		{`{"selector":{"a":{"$gt":1}},"sort":["b"]}`, "i1 []-[]", []string{a, b, ab}},
		{`{"selector":{"a":{"$gt":1}},"sort":["b"]}`, "none", []string{a, ab}},
		{`{"selector":{},"sort":["a"]}`, "i1 []-[]", []string{ab, a}},
		{`{"selector":{"_id":"x","a":1}}`, "_all_docs [x]-[x]", []string{a}},
		{`{"selector":{"_id":{"$gt":"x"},"a":1}}`, "i1 [1,x]-[1]", []string{a, `{"fields":["a","_id"]}`}},
		{`{"selector":{"a":1}}`, "_all_docs []-[]", []string{`{"fields":["a"],"partial_filter_selector":{"b":1}}`}},
		{`{"selector":{"a":1},"use_index":"d0"}`, "i0 [1]-[1]", []string{`{"fields":["a"],"partial_filter_selector":{"b":1}}`}},
		{`{"selector":{"a":1},"use_index":["d1","i1"]}`, "i1 [1]-[1]", []string{a, `{"fields":["a"]}`}},
	} {
		require.Equal(t, c.want, planned(t, c.body, c.indexes...), "%s %v", c.body, c.indexes)
	}
}

// Of many values the parts of an index that they are in are read as one.
func TestManyValuesAreOneRange(t *testing.T) {
	t.Parallel()
	values := make([]string, 150)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	got := planned(t, `{"selector":{"a":{"$in":[`+strings.Join(values, ",")+`]}}}`, `{"fields":["a"]}`)
	require.Equal(t, `i0 [0]-[[<MAX>]]`, got)
}
