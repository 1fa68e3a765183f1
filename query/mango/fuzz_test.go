package mango

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzIndexes are indexes for queries of fuzz tests.
func fuzzIndexes() []*Index {
	indexes := []*Index{AllDocs}
	for _, fields := range []string{`["a"]`, `["a","b"]`, `["b","_id"]`, `["c.x"]`} {
		d, err := ParseDefinition([]byte(`{"index":{"fields":` + fields + `}}`))
		if err != nil {
			panic(err)
		}
		indexes = append(indexes, d.finish())
	}
	return indexes
}

// Any body is refused or has a plan whose explanation is JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"selector":{"a":{"$gt":1,"$lt":[2]},"b":"x"},"sort":[{"a":"desc"}],"fields":["_id","a.b"],"limit":5,"skip":1}`,
		`{"selector":{"_id":{"$in":["a",1]}},"use_index":["d","n"],"bookmark":"AQ","r":1,"conflicts":true,"update":false,"stale":"ok"}`,
		`{"selector":{"$or":[{"a":{"$beginsWith":"l·"}},{"b":{"$not":{"$eq":{}}}}]},"execution_stats":true,"stable":false,"allow_fallback":false,"partition":""}`,
	} {
		f.Add([]byte(seed))
	}
	m := New(nil)
	indexes := fuzzIndexes()
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequest(body)
		if err != nil {
			return
		}
		q := &Query{mango: m, request: r}
		q.question = question{
			selector: r.Selector, sort: r.Sort, useIndex: r.useIndex, allowFallback: r.allowFallback, hidden: func(*Index) bool { return false },
		}
		if q.plan, err = m.plan(indexes, &q.question); err != nil {
			return
		}
		require.True(t, json.Valid(q.AppendExplanation(nil, "db")), "%s", body)
		if r.bookmark != nil && q.plan.Index != nil {
			newWalk(q, Limits{})
		}
		if r.Projection != nil {
			require.True(t, json.Valid(r.Projection.Append(nil, []byte(`{"_id":"x","a":{"b":[1,{"c":2}]}}`))))
		}
	})
}

// Any body is refused or makes an index that stands in the design document as it was meant.
func FuzzDefinition(f *testing.F) {
	f.Add([]byte(`{"index":{"fields":["a",{"b.c":"asc"}],"partial_filter_selector":{"x":{"$gt":1}}},"name":"n","ddoc":"d"}`), []byte(`{"language":"query","views":{"x":{}}}`))
	f.Add([]byte(`{"index":{"fields":["a\\.b"]}}`), []byte(`{"language":"query","more":1}`))
	f.Fuzz(func(t *testing.T, body, before []byte) {
		_, _ = ParseBulkDelete(body)
		d, err := ParseDefinition(body)
		if err != nil {
			return
		}
		if !json.Valid(before) || memberOf(before, "language") == nil {
			before = nil
		}
		changed, added, err := d.AddTo(before)
		if err != nil {
			return
		}
		require.True(t, json.Valid(changed), "%s", changed)
		stored := parseStored(memberOf(memberOf(memberOf(changed, "views"), d.Name), "map"))
		require.NotNil(t, stored, "%s", changed)
		if added {
			require.Equal(t, string(d.appendDefinition(nil)), string(stored.appendDefinition(nil)))
		}
		_, again, err := d.AddTo(changed)
		require.NoError(t, err)
		require.False(t, again)
		rest, _, err := RemoveFrom(changed, d.Name)
		require.NoError(t, err)
		require.True(t, json.Valid(rest))
		require.Nil(t, memberOf(memberOf(rest, "views"), d.Name))
	})
}

func FuzzBookmark(f *testing.F) {
	b := bookmark{at: []byte("x")}
	f.Add([]byte(`"` + b.String() + `"`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) == 0 || !json.Valid(value) {
			return
		}
		b, err := parseBookmark(value)
		if err == nil && b != nil {
			again, err := parseBookmark([]byte(`"` + b.String() + `"`))
			require.NoError(t, err)
			require.Equal(t, b.at, again.at)
		}
	})
}
