package view

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// mapped are the rows that a map function makes of documents called by their place, a, b, c.
func (m *viewModel) mapped(t *testing.T, d *design.Document, bodies ...string) []string {
	t.Helper()
	for i, body := range bodies {
		edit := syncstore.Edit{ID: string(rune('a' + i)), Body: []byte(body)}
		require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0].Err)
	}
	v, err := m.views.Open(m.collection, d, "v")
	require.NoError(t, err)
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	return got.rows
}

// parsed is a design document of a text.
func parsed(t *testing.T, body string) *design.Document {
	t.Helper()
	d, err := design.Parse(&syncstore.Document{ID: "_design/d", Body: []byte(body)})
	require.NoError(t, err)
	return d
}

func TestADocumentWithWhichTheMapFunctionFailsIsLeftOutAndNamedInTheLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	m := newViewModel(t)
	m.views.logger = zap.New(core)
	d := parsed(t, `{"views":{"v":{"map":"function (doc) { emit('before'); if (doc.bad) doc.no.such; if (doc.long) for (;;) {}; if (doc.deep) { const f = () => f(); f() } if (doc.large) { let s = ['x']; for (;;) s = s.concat(s) }; if (doc.raises) throw ({forbidden: 'me'}) }"}}}`)
	rows := m.mapped(t, d, `{}`, `{"bad":1}`, `{"long":1}`, `{"deep":1}`, `{"large":1}`, `{"raises":1}`, `{}`)
	require.Equal(t, []string{`a "before" null`, `g "before" null`}, rows)
	left := map[string]string{}
	for _, entry := range logs.FilterMessageSnippet("the map function failed").All() {
		fields := entry.ContextMap()
		require.Equal(t, "_design/d/v", fields["view"])
		id, _ := fields["document"].(string)
		left[id], _ = fields["error"].(string)
	}
	require.Len(t, left, 5)
	// What others take beside it counts as a function's memory (script.Function.Call).
	for id, why := range map[string]string{"b": "undefined", "c": "timed out|more than it may", "d": "more than it may", "f": "me"} {
		require.Regexp(t, why, left[id], id)
	}
	require.NotEmpty(t, left["e"])
}

// One that loops would take a second of a processor for each document there is.
func TestAMapFunctionThatRunsOutOfItsTimeAgainAndAgainIsGivenUp(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.views.maxTimeouts = 2
	edits := make([]syncstore.Edit, 100)
	for i := range edits {
		edits[i] = syncstore.Edit{ID: strings.Repeat("d", i+1), Body: []byte(`{}`)}
	}
	for _, result := range m.collection.Write(t.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	d := parsed(t, `{"views":{"v":{"map":"function (doc) { for (;;) {} }"},"w":{"map":"function (doc) { emit(doc._id) }"}}}`)
	query := func(name string) error {
		v, err := m.views.Open(m.collection, d, name)
		require.NoError(t, err)
		return v.Query(t.Context(), Options{Limit: 1}, &collected{})
	}
	for range 3 { // the function is not run for the others
		err := query("v")
		require.ErrorContains(t, err, "ran out of its time or memory with 2 documents one after the other")
		refusal, ok := errors.AsType[*design.Error](err)
		require.True(t, ok)
		require.Equal(t, http.StatusInternalServerError, refusal.Status())
	}
	require.NoError(t, query("w"))
	changed := parsed(t, `{"views":{"v":{"map":"function (doc) { emit(1) }"}}}`)
	v, err := m.views.Open(m.collection, changed, "v")
	require.NoError(t, err)
	require.NoError(t, v.Query(t.Context(), Options{Limit: 1}, &collected{}))
}

// Those with which it runs out of its time may be as many as its patience has, and a user may have written them.
func TestAViewGetsPastDocumentsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.views.maxTimeouts = 2
	d := parsed(t, `{"views":{"v":{"map":"function (doc) { if (doc.long) for (;;) {}; emit(1) }"}}}`)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		body := `{"long":1}`
		if id == "a" || id == "e" {
			body = `{}`
		}
		require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{{ID: id, Body: []byte(body)}}, syncstore.WriteOptions{})[0].Err)
	}
	v, err := m.views.Open(m.collection, d, "v")
	require.NoError(t, err)
	require.ErrorContains(t, v.Query(t.Context(), Options{Limit: -1}, &collected{}), "ran out of its time or memory")
	v.mapper.patience.mu.Lock()
	v.mapper.patience.gaveUp = nil // ten minutes later
	v.mapper.patience.mu.Unlock()
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	require.Equal(t, []string{`a 1 null`, `e 1 null`}, got.rows)
}

// Where a document's rows are is in one record, which no engine takes of any size.
func TestADocumentWhoseKeysAreTooMuchIsLeftOut(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	m := newViewModel(t)
	m.views.logger = zap.New(core)
	mapper, err := m.views.mapper(m.collection, parsed(t, `{"options":{"collation":"raw"},"views":{"v":{"map":"doc => emit(1)"}}}`), "v")
	require.NoError(t, err)
	emitted := slices.Repeat([]design.Emitted{{Key: `"` + strings.Repeat("a", 8000) + `"`, Value: "1"}}, syncstore.MaxSorts/8003)
	require.Len(t, mapper.rows("few", emitted), len(emitted))
	require.Empty(t, logs.All())
	require.Empty(t, mapper.rows("many", append(emitted, emitted[0])))
	require.Equal(t, "many", logs.All()[0].ContextMap()["document"])
}

func TestAFunctionThatWasGivenUpIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := patience{most: 2}
		p.tried(script.ErrTimeout)
		p.tried(nil)
		p.tried(script.ErrTimeout)
		require.NoError(t, p.over(), "not one after the other")
		p.tried(script.ErrMemory)
		require.Error(t, p.over(), "what fills its memory takes as long")
		time.Sleep(timeoutRest)
		require.Error(t, p.over())
		time.Sleep(time.Second)
		require.NoError(t, p.over())
		p.tried(script.ErrTimeout)
		require.NoError(t, p.over())
	})
}

func TestMapFunctionsRequireModulesOfTheirDesignDocument(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	const body = `{"views":{"lib":{"words":"exports.of = text => text.split(require('./sub/sign').is)","sub":{"sign":"module.exports = {is: 'SIGN'}"},"broken":"}","note":5},
		"v":{"map":"function (doc) { require('views/lib/words').of(doc.t).forEach(w => emit(w)) }"},
		"broken":{"map":"function (doc) { require('views/lib/broken') }"}}}`
	d := parsed(t, strings.ReplaceAll(body, "SIGN", "-"))
	require.NoError(t, design.Check(&syncstore.Document{ID: "_design/d", Body: []byte(body)}), "nobody may ever require what is broken")
	require.Equal(t, []string{`a "x" null`, `b "x,y" null`, `a "y" null`}, m.mapped(t, d, `{"t":"x-y"}`, `{"t":"x,y"}`))
	changed := parsed(t, strings.ReplaceAll(body, "SIGN", ","))
	require.NotEqual(t, indexID(d, "v"), indexID(changed, "v"))
	v, err := m.views.Open(m.collection, changed, "v")
	require.NoError(t, err)
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	require.Equal(t, []string{`b "x" null`, `a "x-y" null`, `b "y" null`}, got.rows, "other modules make another index")
	filter, err := m.views.functions.ViewFilter(d, "v")
	require.NoError(t, err)
	passes, err := filter.Matches(t.Context(), &syncstore.Document{ID: "a", Body: []byte(`{"t":"x"}`)}, "{}")
	require.NoError(t, err)
	require.True(t, passes)
}

func TestCollationRawOrdersKeysAsCouchDBsTerms(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	d := parsed(t, `{"options":{"collation":"raw"},"views":{"v":{"map":"doc => doc.keys.forEach(k => emit(k))","reduce":"_count"}}}`)
	v, err := m.views.Open(m.collection, d, "v")
	require.NoError(t, err)
	m.mapped(t, d, `{"keys":[null,true,false,2,1,"b","a","B","é",[1],[],{},{"a":1}]}`)
	keys := func(o Options) string {
		o.Limit, o.MapOnly = -1, true
		var got collected
		require.NoError(t, v.Query(t.Context(), o, &got))
		var all []string
		for _, row := range got.rows {
			all = append(all, strings.Fields(row)[1])
		}
		return strings.Join(all, " ")
	}
	require.Equal(t, `1 2 false null true {} {"a":1} [] [1] "B" "a" "b" "é"`, keys(Options{}))
	require.Equal(t, `false null true {} {"a":1} [] [1] "B"`, keys(Options{Start: []byte("false"), End: []byte(`"B"`)}))
	require.Equal(t, `"B" [1]`, keys(Options{Start: []byte(`"B"`), End: []byte("[1]"), Descending: true}))
	require.Error(t, v.Query(t.Context(), Options{Start: []byte("null"), End: []byte("1")}, &collected{}), "in this order no key is between them")
	var groups collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1, GroupLevel: GroupExact}, &groups))
	require.Len(t, groups.rows, 13)
	plain := parsed(t, `{"options":{"collation":"other"},"views":{"v":{"map":"doc => doc.keys.forEach(k => emit(k))"}}}`)
	require.NotEqual(t, indexID(d, "v"), indexID(plain, "v"))
	require.Empty(t, plain.Options.Collation)
}
