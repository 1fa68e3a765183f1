package mango

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// testDesigns are the indexes of the model, by their design documents.
var testDesigns = map[string]string{
	"a":    `{"a":{"map":{"fields":{"a":"asc"}}},"partial":{"map":{"fields":{"a":"asc"},"partial_filter_selector":{"b":{"$gt":1}}}}}`,
	"b":    `{"b":{"map":{"fields":{"b":"desc"}}},"nonsense":{"map":{"fields":{}}},"worse":{"map":5}}`,
	"both": `{"ab":{"map":{"fields":{"a":"asc","b":"asc"}}},"ba":{"map":{"fields":{"b":"asc","a":"asc"}}},"bac":{"map":{"fields":{"b":"asc","a":"asc","c.x":"asc"}}}}`,
	"deep": `{"x":{"map":{"fields":{"c.x":"asc"}}},"id":{"map":{"fields":{"a":"asc","_id":"asc"}}},"first":{"map":{"fields":{"a.0":"asc"}}}}`,
}

// mangoModel is a collection with indexes, and the same queries answered without them.
type mangoModel struct {
	collection *syncstore.Collection
	mango      *Mango
	collation  *query.Collation
}

// tester is a testing.TB, or a rapid.T.
type tester interface {
	require.TestingT
	Cleanup(func())
}

// inChannels puts a document into the channels that it names.
type inChannels struct{}

func (inChannels) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	var said struct {
		Channels []string `json:"channels"`
	}
	err = json.Unmarshal(write.New.Body, &said)
	o.Channels = said.Channels
	return o, err
}

func newMangoModel(tb tester) *mangoModel {
	store, err := syncstore.Open(context.Background(), memory.New(), syncstore.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	db, err := store.CreateDatabase(context.Background(), "db")
	require.NoError(tb, err)
	m := &mangoModel{collection: db.Default(), mango: New(nil), collation: query.NewCollation()}
	m.collection.SetPolicy(syncstore.Policy{Evaluator: inChannels{}, Version: "1"})
	require.NoError(tb, store.Records().Update(context.Background(), func(tx syncstore.RecordTx) error {
		tx.SetGrants(db.ID(), "alice", syncstore.GrantedByAdmin, []syncstore.Given{{Channel: "a"}})
		return nil
	}))
	for name, views := range testDesigns {
		m.write(tb, syncstore.Edit{ID: "_design/" + name, Body: []byte(`{"channels":["!"],"language":"query","views":` + views + `}`)})
	}
	return m
}

func (m *mangoModel) write(t require.TestingT, edit syncstore.Edit) {
	err := m.collection.Write(context.Background(), []syncstore.Edit{edit}, syncstore.WriteOptions{})[0].Err
	require.NoError(t, err)
}

var testIDs = []string{"a", "B", "b", "A", "é", "e", "1", "10", "2", `q"`, "ab", "aB"}

var testValues = []string{
	"null", "true", "1", "1.0", "2", "-3", "10", `"a"`, `"A"`, `"ab"`, `"é"`, `"e\u0301"`, `""`, "[]", "[1]", `["a",2]`, "{}", `{"x":1}`, `"b"`,
}

// long are values whose keys are cut.
var long = []string{
	`"` + strings.Repeat("long", 3000) + `"`, `"` + strings.Repeat("long", 3000) + `a"`, `"` + strings.Repeat("long", 3000) + `b"`,
}

func value(t *rapid.T) string {
	if rapid.IntRange(0, 30).Draw(t, "long") == 0 {
		return rapid.SampledFrom(long).Draw(t, "value")
	}
	return rapid.SampledFrom(testValues).Draw(t, "value")
}

func body(t *rapid.T) []byte {
	var parts []string
	for _, name := range []string{"a", "b"} {
		if rapid.IntRange(0, 4).Draw(t, "has") > 0 {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value(t)))
		}
	}
	parts = append(parts, `"channels":["`+rapid.SampledFrom([]string{"a", "b"}).Draw(t, "channel")+`"]`)
	if rapid.Bool().Draw(t, "has c") {
		parts = append(parts, `"c":{"x":`+value(t)+`}`)
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// change writes, deletes, or makes a conflict.
func (m *mangoModel) change(t *rapid.T) {
	ctx := context.Background()
	id := rapid.SampledFrom(testIDs).Draw(t, "id")
	edit := syncstore.Edit{ID: id, Body: body(t)}
	if doc, err := m.collection.Get(ctx, id, syncstore.GetOptions{}); err == nil {
		edit.Parent = doc.Rev
		edit.Deleted = rapid.IntRange(0, 3).Draw(t, "delete") == 0
	}
	if rapid.IntRange(0, 4).Draw(t, "conflict") == 0 {
		rev, err := syncstore.ParseRev(fmt.Sprintf("1-%032x", rapid.Uint64().Draw(t, "rev")))
		require.NoError(t, err)
		edit.History, edit.Parent, edit.Deleted = []syncstore.Rev{rev}, syncstore.Rev{}, false
	}
	m.write(t, edit)
}

func condition(t *rapid.T) string {
	operator := rapid.SampledFrom([]string{
		"$eq", "$eq", "$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$in", "$nin", "$beginsWith", "$exists", "$regex", "$type",
	}).Draw(t, "operator")
	arg := value(t)
	switch operator {
	case "$in", "$nin":
		arg = "[" + strings.Join([]string{arg, value(t), value(t)}[:rapid.IntRange(0, 3).Draw(t, "n")], ",") + "]"
	case "$beginsWith":
		arg = rapid.SampledFrom([]string{`""`, `"a"`, `"A"`, `"é"`, `"long"`, `"1"`}).Draw(t, "prefix")
	case "$exists":
		arg = rapid.SampledFrom([]string{"true", "true", "false"}).Draw(t, "exists")
	case "$regex":
		arg = `"^[aA]"`
	case "$type":
		arg = `"string"`
	}
	text := `{"` + operator + `":` + arg + `}`
	if rapid.IntRange(0, 6).Draw(t, "not") == 0 {
		text = `{"$not":` + text + `}`
	}
	return text
}

func field(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "a", "a", "b", "b", "c.x", "a.0", "_id"}).Draw(t, "field")
}

func selector(t *rapid.T, depth int) string {
	if depth > 0 && rapid.IntRange(0, 3).Draw(t, "combined") == 0 {
		var parts []string
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			parts = append(parts, selector(t, depth-1))
		}
		return `{"` + rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "combination") + `":[` + strings.Join(parts, ",") + `]}`
	}
	parts := map[string]string{}
	for range rapid.IntRange(0, 3).Draw(t, "conditions") {
		name := field(t)
		condition := condition(t)
		if name == "_id" {
			condition = fmt.Sprintf(`{"%s":%q}`, rapid.SampledFrom([]string{"$eq", "$gt", "$lte", "$beginsWith"}).Draw(t, "operator"), rapid.SampledFrom(testIDs).Draw(t, "id"))
		}
		parts[name] = fmt.Sprintf(`%q:%s`, name, condition)
	}
	all := make([]string, 0, len(parts))
	for _, part := range parts {
		all = append(all, part)
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}"
}

// asked is a query as it is drawn.
type asked struct {
	selector string
	sort     []string
	down     bool
}

func draw(t *rapid.T) asked {
	q := asked{selector: selector(t, 2)}
	q.sort = rapid.SampledFrom([][]string{nil, nil, {"a"}, {"b"}, {"a", "b"}, {"b", "a"}, {"_id"}, {"c.x"}, {"a", "_id"}}).Draw(t, "sort")
	q.down = rapid.Bool().Draw(t, "down")
	return q
}

// text is the body of the query with more members.
func (q *asked) text(more string) string {
	sort := ""
	if q.sort != nil {
		parts := make([]string, len(q.sort))
		for i, name := range q.sort {
			parts[i] = fmt.Sprintf(`{%q:%q}`, name, direction(q.down))
		}
		sort = `,"sort":[` + strings.Join(parts, ",") + `]`
	}
	return `{"selector":` + q.selector + sort + more + `}`
}

// run answers a query; the error of one that cannot be sorted is nil, and ok false.
func (m *mangoModel) run(t require.TestingT, text string, viewer *syncstore.Viewer) (ids []string, answer Answer, ok bool) {
	ctx := context.Background()
	r, err := ParseRequest([]byte(text))
	require.NoError(t, err, text)
	q, err := m.mango.Prepare(ctx, m.collection, r, viewer)
	require.NoError(t, err, text)
	require.True(t, json.Valid(q.AppendExplanation(nil, "db")), text)
	answer, err = q.Run(ctx, Limits{}, func(doc *syncstore.Document) error {
		ids = append(ids, doc.ID)
		return nil
	})
	if err == errNoSort { //nolint:errorlint // as it is returned
		return nil, answer, false
	}
	require.NoError(t, err, text)
	return ids, answer, true
}

// wanted are the documents that a query is to find, by looking at all of them.
func (m *mangoModel) wanted(t require.TestingT, q *asked, extra string, viewer *syncstore.Viewer) map[string][]string {
	s, err := query.Parse([]byte(q.selector))
	require.NoError(t, err)
	also, err := query.Parse([]byte(extra))
	require.NoError(t, err)
	found := map[string][]string{}
	require.NoError(t, m.collection.AllDocs(context.Background(), syncstore.AllDocsOptions{Viewer: viewer}, func(doc *syncstore.Document) error {
		asked := &query.Document{ID: doc.ID, Body: doc.Body}
		ok, err := s.Match(asked)
		require.NoError(t, err)
		and, err := also.Match(asked)
		require.NoError(t, err)
		if syncstore.IsDesign(doc.ID) || !ok || !and {
			return nil
		}
		keys := []string{}
		for _, name := range q.sort {
			path, err := query.ParsePath(name)
			require.NoError(t, err)
			value := query.NewFields([][]string{path}).Values(asked)[0]
			if value == nil {
				return nil // a sort wants its fields to be there
			}
			keys = append(keys, string(value))
		}
		found[doc.ID] = keys
		return nil
	}))
	return found
}

// ordered checks the order of an answer.
func (m *mangoModel) ordered(t require.TestingT, q *asked, ids []string, wanted map[string][]string) {
	for i := 1; i < len(ids); i++ {
		for n, name := range q.sort {
			a, b := wanted[ids[i-1]][n], wanted[ids[i]][n]
			order := m.collation.Compare([]byte(a), []byte(b))
			if name == "_id" {
				order = strings.Compare(ids[i-1], ids[i])
			}
			if len(a) > 1000 && len(b) > 1000 {
				break // they are cut
			}
			if q.down {
				order = -order
			}
			require.LessOrEqual(t, order, 0, "%v: %s before %s", q, a, b)
			if order < 0 {
				break
			}
		}
	}
}

// check asks a query in all ways.
func (m *mangoModel) check(t *rapid.T, q *asked, viewer *syncstore.Viewer, used map[string]int) {
	wanted := m.wanted(t, q, "{}", viewer)
	all, answer, ok := m.run(t, q.text(""), viewer)
	if !ok {
		return
	}
	require.Len(t, all, len(wanted), "%s: %v, but %v", q.text(""), all, wanted)
	for _, id := range all {
		require.Contains(t, wanted, id, q.text(""))
	}
	require.Equal(t, len(all), answer.Stats.Results)
	require.LessOrEqual(t, answer.Stats.Documents, len(m.wanted(t, &asked{selector: "{}"}, "{}", viewer)), "nothing else is counted")
	m.ordered(t, q, all, wanted)
	skip, limit := rapid.IntRange(0, 4).Draw(t, "skip"), rapid.IntRange(0, 4).Draw(t, "limit")
	some, _, _ := m.run(t, q.text(fmt.Sprintf(`,"skip":%d,"limit":%d`, skip, limit)), viewer)
	begin := min(skip, len(all))
	require.Len(t, some, len(all[begin:min(begin+limit, len(all))]))
	for i, id := range some {
		require.Equal(t, all[begin+i], id)
	}
	m.checkPages(t, q, viewer, all)
	m.checkIndexes(t, q, viewer, all, used)
}

// checkPages goes through an answer page by page.
func (m *mangoModel) checkPages(t *rapid.T, q *asked, viewer *syncstore.Viewer, all []string) {
	size := rapid.IntRange(1, 5).Draw(t, "page")
	var pages []string
	mark := ""
	for {
		page, answer, _ := m.run(t, q.text(fmt.Sprintf(`,"limit":%d,"bookmark":%q`, size, mark)), viewer)
		if len(page) == 0 {
			break
		}
		pages, mark = append(pages, page...), answer.Bookmark
	}
	require.Equal(t, all, pages, q.text(""))
}

// checkIndexes asks by each index.
func (m *mangoModel) checkIndexes(t *rapid.T, q *asked, viewer *syncstore.Viewer, all []string, used map[string]int) {
	indexes, err := m.mango.Indexes(context.Background(), m.collection)
	require.NoError(t, err)
	for _, x := range indexes {
		if x.Special() {
			continue
		}
		by, answer, ok := m.run(t, q.text(fmt.Sprintf(`,"use_index":[%q,%q]`, x.Design, x.Name)), viewer)
		require.True(t, ok)
		if strings.Contains(answer.Warning, "was not used") {
			continue
		}
		used[x.Name]++
		expected := all
		wanted := m.wanted(t, q, "{}", viewer)
		if x.Partial != nil {
			wanted = m.wanted(t, q, `{"b":{"$gt":1}}`, viewer)
			expected = nil
			for id := range wanted {
				expected = append(expected, id)
			}
		}
		require.ElementsMatch(t, expected, by, "%s by %s", q.text(""), x.Name)
		m.ordered(t, q, by, wanted)
	}
}

// Whichever index is used, the same documents are found as without any.
func TestQueriesFindTheSameByEveryIndex(t *testing.T) {
	t.Parallel()
	used := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := newMangoModel(t)
		viewer := rapid.SampledFrom([]*syncstore.Viewer{nil, {Name: "alice"}, {Name: "bob"}}).Draw(t, "viewer")
		m.mango.alwaysOwn = rapid.Bool().Draw(t, "own")
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			for range rapid.IntRange(1, 20).Draw(t, "changes") {
				m.change(t)
			}
			for range 3 {
				q := draw(t)
				m.check(t, &q, viewer, used)
			}
		}
	})
	for _, name := range []string{"a", "partial", "b", "ab", "ba", "bac", "x", "id", "first"} {
		require.NotZero(t, used[name], "%s was used", name)
	}
}
