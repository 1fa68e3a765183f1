package mango

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// fill writes documents with numbers from 0 up, into a channel.
func (m *mangoModel) fill(tb testing.TB, channel string, n int) {
	tb.Helper()
	edits := make([]syncstore.Edit, n)
	for i := range edits {
		edits[i] = syncstore.Edit{ID: fmt.Sprintf("%s%05d", channel, i), Body: fmt.Appendf(nil, `{"channels":[%q],"a":%d,"b":%d}`, channel, i, i%7)}
	}
	for i, result := range m.collection.Write(tb.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(tb, result.Err, edits[i].ID)
	}
}

func (m *mangoModel) prepare(tb testing.TB, text string, viewer *syncstore.Viewer) *Query {
	tb.Helper()
	r, err := ParseRequest([]byte(text))
	require.NoError(tb, err)
	q, err := m.mango.Prepare(tb.Context(), m.collection, r, viewer)
	require.NoError(tb, err)
	return q
}

// Somebody who sees few of the rows of an index does not pay for the others.
func TestAViewerOfFewRowsIsAnsweredByTheirDocuments(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "b", 5000)
	m.fill(t, "a", 20)
	used := 0
	for text, c := range map[string]struct {
		want   []string
		within int // documents of the viewer in the parts of the index that are read
	}{
		`{"selector":{"a":{"$gt":3}},"sort":["a"],"limit":2}`:                         {[]string{"a00004", "a00005"}, 16},
		`{"selector":{"a":{"$gt":3}},"sort":[{"a":"desc"}],"limit":2,"skip":1}`:       {[]string{"a00018", "a00017"}, 16},
		`{"selector":{"b":3,"a":{"$gt":3}},"use_index":"both/ba"}`:                    {[]string{"a00010", "a00017"}, 2},
		`{"selector":{"b":{"$in":[6,5]}},"sort":["b"],"limit":3}`:                     {[]string{"a00005", "a00012", "a00019"}, 5},
		`{"selector":{"b":{"$gt":1}},"use_index":["b","b"],"limit":1000000000000000}`: {nil, 14},
	} {
		viewer := &syncstore.Viewer{Name: "alice"}
		q := m.prepare(t, text, viewer)
		_, err := q.update(t.Context())
		require.NoError(t, err)
		var ids []string
		w := newWalk(q, Limits{})
		require.NoError(t, w.run(t.Context(), func(doc *syncstore.Document) error {
			ids = append(ids, doc.ID)
			return nil
		}))
		if c.want != nil {
			require.Equal(t, c.want, ids, text)
		} else {
			require.Len(t, ids, 14)
		}
		if w.own != nil {
			used++
			require.Equal(t, c.within, w.stats.Documents, text)
		}
		m.mango.alwaysOwn = true
		own, answer, _ := m.run(t, text, viewer)
		m.mango.alwaysOwn = false
		require.Equal(t, ids, own)
		require.Equal(t, w.bookmark(), answer.Bookmark)
	}
	require.GreaterOrEqual(t, used, 2)
}

func TestAQueryMayCostSoMuch(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "a", 30)
	m.fill(t, "b", 30)
	alice := &syncstore.Viewer{Name: "alice"}
	for _, text := range []string{`{"selector":{"x":1}}`, `{"selector":{"a":{"$gt":-1},"x":1}}`, `{"selector":{"a":{"$gt":-1}},"limit":30}`} {
		for documents, fails := range map[int]bool{29: true, 30: false} {
			turns := 0
			q := m.prepare(t, text, alice)
			_, err := q.Run(t.Context(), Limits{Documents: documents, Turn: func(context.Context) (func(), error) {
				turns++
				return func() { turns-- }, nil
			}}, func(*syncstore.Document) error {
				require.Zero(t, turns, "nobody has a turn while a document is sent")
				return nil
			})
			require.Zero(t, turns)
			var failed *Error
			if !fails {
				require.NoError(t, err, text)
				continue
			}
			require.ErrorAs(t, err, &failed, text)
			require.Equal(t, http.StatusBadRequest, failed.Status)
			require.Equal(t, "query_too_expensive", failed.Name)
			require.Contains(t, failed.Reason, "looked at 29 documents", "those that are seen")
		}
		_, err := m.prepare(t, text, nil).Run(t.Context(), Limits{Time: time.Nanosecond}, func(*syncstore.Document) error { return nil })
		require.ErrorContains(t, err, "query_too_expensive")
	}
}

// What a query of a user may cost does not depend on how many documents others have, nor on which way it is answered.
func TestTheLimitOfAQueryTellsOfNoOthers(t *testing.T) {
	t.Parallel()
	alice := &syncstore.Viewer{Name: "alice"}
	for _, others := range []int{0, 5000} {
		m := newMangoModel(t)
		m.fill(t, "a", 40)
		m.fill(t, "b", others)
		for text, want := range map[string]int{
			`{"selector":{"a":{"$gte":35}},"sort":["a"]}`:                   5, // of those in the range
			`{"selector":{"a":{"$gte":0}},"sort":["a"],"limit":30}`:         30,
			`{"selector":{"a":{"$gte":0},"x":{"$exists":false}},"limit":1}`: 1,
			`{"selector":{"a":{"$gte":0}},"sort":["a"],"limit":31}`:         -1,
			`{"selector":{"a":{"$gte":0},"x":1},"limit":1}`:                 -1,
		} {
			n := 0
			_, err := m.prepare(t, text, alice).Run(t.Context(), Limits{Documents: 30}, func(*syncstore.Document) error {
				n++
				return nil
			})
			if want < 0 {
				require.ErrorContains(t, err, "query_too_expensive", "others have %d documents: %s", others, text)
				continue
			}
			require.NoError(t, err, "others have %d documents: %s", others, text)
			require.Equal(t, want, n)
		}
	}
}

// Who looks after indexes is told of those that a query waits for, and of no others.
func TestABuildingIsTold(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "a", 3)
	var told []string
	m.mango.Building = func(_ context.Context, _ *syncstore.Collection, _ *syncstore.Index, design string) {
		told = append(told, design)
	}
	for _, text := range []string{`{"selector":{"a":1}}`, `{"selector":{"a":2}}`, `{"selector":{"b":1},"update":false}`, `{"selector":{}}`} {
		m.run(t, text, nil)
	}
	require.Equal(t, []string{"_design/a"}, told)
}

func TestAQueryEndsWithItsClient(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "a", 2000)
	ctx, hangUp := context.WithCancel(t.Context())
	n := 0
	_, err := m.prepare(t, `{"selector":{"a":{"$gt":-1}},"limit":2000}`, nil).Run(ctx, Limits{}, func(*syncstore.Document) error {
		n++
		hangUp()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, n, 2000)
	busy := m.mango.UserLimits(1, time.Second)
	for range cap(m.mango.turns) {
		_, err := busy.Turn(t.Context())
		require.NoError(t, err)
	}
	_, err = m.prepare(t, `{"selector":{}}`, nil).Run(ctx, busy, nil)
	require.ErrorIs(t, err, context.Canceled, "it waits for its turn no longer")
}

func TestAQueryWhoseIndexIsDroppedDoesNotEndAsIfItHadFoundAll(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "a", manyRows+fewRows+1)
	q := m.prepare(t, `{"selector":{"a":{"$gte":0}},"use_index":"a/a","limit":10000}`, nil)
	w := newWalk(q, Limits{})
	var err error
	w.covers, err = q.update(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.readRows(t.Context()))
	require.NoError(t, q.collection.Index(q.plan.Index.id).Drop(t.Context()))
	require.ErrorIs(t, w.readRows(t.Context()), syncstore.ErrIndexDropped)
}

// What the first piece found of a viewer's documents serves the pieces that follow.
func TestAViewersDocumentsInPiecesAreAllOfThem(t *testing.T) {
	t.Parallel()
	m := newMangoModel(t)
	m.fill(t, "b", 5000)
	text := strings.Repeat("long ", 4000)
	var want []string
	for i := range 200 {
		id := fmt.Sprintf("b%05d+", i*25)
		want = append(want, id)
		m.write(t, syncstore.Edit{ID: id, Body: fmt.Appendf(nil, `{"channels":["a"],"text":%q}`, text)})
	}
	viewer := &syncstore.Viewer{Name: "alice"}
	ids, answer, ok := m.run(t, `{"selector":{"_id":{"$gt":"b"}},"limit":1000}`, viewer)
	require.True(t, ok)
	require.Equal(t, want, ids)
	require.Equal(t, len(want), answer.Stats.Documents)
	ids, _, ok = m.run(t, `{"selector":{"_id":{"$gte":"b"}},"limit":1000,"skip":3,"sort":[{"_id":"desc"}]}`, viewer)
	require.True(t, ok)
	slices.Reverse(want)
	require.Equal(t, want[3:], ids)
}
