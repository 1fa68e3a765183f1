package syncstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// A listing of somebody who sees little of a large collection is read from the channels, and
// says what a listing by ID says.
func TestAllDocsOfAViewerWhoSeesLittle(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "mine", "also")
	var edits []Edit
	var mine []string
	for n := range 3000 {
		channels := "theirs"
		id := fmt.Sprintf("d%04d", n)
		if n%100 == 7 {
			channels = "mine"
			mine = append(mine, id)
		}
		if n%300 == 7 {
			channels = `mine","also`
		}
		edits = append(edits, Edit{ID: id, Body: fmt.Appendf(nil, `{"channels":["%s"]}`, channels)})
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	gone := mine[len(mine)-1]
	f.remove(gone, f.get(gone, GetOptions{}).Rev)
	mine = mine[:len(mine)-1]
	list := func(o AllDocsOptions) (ids []string) {
		o.Viewer = &Viewer{Name: "alice"}
		require.NoError(t, f.AllDocs(t.Context(), o, func(d *Document) error {
			ids = append(ids, d.ID)
			return nil
		}))
		return ids
	}
	backwards := slices.Clone(mine)
	slices.Reverse(backwards)
	require.Equal(t, mine, list(AllDocsOptions{}))
	require.Equal(t, backwards, list(AllDocsOptions{Descending: true}))
	require.Equal(t, mine[3:28], list(AllDocsOptions{Skip: 3, Limit: 25}))
	require.Equal(t, mine[1:27], list(AllDocsOptions{Start: mine[1], End: mine[27], ExcludeEnd: true}))
	require.Equal(t, backwards[1:28], list(AllDocsOptions{Descending: true, Start: backwards[1], End: backwards[27]}))
}

// scanningEngine counts the pairs that were looked at.
type scanningEngine struct {
	engine.Engine

	looked int
}

func (e *scanningEngine) View(ctx context.Context, fn func(engine.Reader) error) error {
	return e.Engine.View(ctx, func(r engine.Reader) error { return fn(&scanningReader{r, e}) })
}

type scanningReader struct {
	engine.Reader

	engine *scanningEngine
}

func (r *scanningReader) Scan(in engine.Range) (iter.Seq2[[]byte, []byte], func() error) {
	pairs, failed := r.Reader.Scan(in)
	return func(yield func([]byte, []byte) bool) {
		for key, value := range pairs {
			if r.engine.looked++; !yield(key, value) {
				return
			}
		}
	}, failed
}

// listInPieces lists the documents that alice sees, some at a time.
func listInPieces(t *testing.T, c *Collection, size int, o AllDocsOptions) (ids []string) {
	t.Helper()
	enough := errors.New("enough")
	o.Viewer, o.Found = &Viewer{Name: "alice"}, &FoundIDs{}
	for after := ""; ; o.Start, o.Skip = after, 0 {
		taken := 0
		err := c.AllDocs(t.Context(), o, func(d *Document) error {
			switch {
			case d.ID == after:
				return nil
			case taken == size:
				return enough
			}
			taken++
			after = d.ID
			ids = append(ids, d.ID)
			return nil
		})
		if err == nil {
			return ids
		}
		require.ErrorIs(t, err, enough)
	}
}

func TestAListingInPiecesLooksForTheViewersDocumentsOnce(t *testing.T) {
	t.Parallel()
	eng := &scanningEngine{Engine: memory.New()}
	store, err := Open(t.Context(), eng, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	c := db.Default()
	c.SetPolicy(Policy{Evaluator: namedPolicy{}})
	require.NoError(t, store.Records().Update(t.Context(), func(tx RecordTx) error {
		tx.SetGrants(db.ID(), "alice", GrantedByAdmin, []Given{{Channel: "mine"}})
		return nil
	}))
	var edits []Edit
	var mine []string
	for n := range 4 * sparseAfter {
		channel, id := "theirs", fmt.Sprintf("d%05d", n)
		if n%200 == 7 {
			channel = "mine"
			mine = append(mine, id)
		}
		edits = append(edits, Edit{ID: id, Body: fmt.Appendf(nil, `{"channels":[%q]}`, channel)})
	}
	for _, r := range c.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	eng.looked = 0
	const size = 12 // a page of 2000 documents has ten
	require.Equal(t, mine, listInPieces(t, c, size, AllDocsOptions{}))
	require.Less(t, eng.looked, sparseAfter+2*len(mine))
	require.Equal(t, mine[3:], listInPieces(t, c, size, AllDocsOptions{Skip: 3}))
	require.Equal(t, mine[4:30], listInPieces(t, c, size, AllDocsOptions{Start: mine[4], End: mine[30], ExcludeEnd: true}))
	backwards := slices.Clone(mine)
	slices.Reverse(backwards)
	require.Equal(t, backwards, listInPieces(t, c, size, AllDocsOptions{Descending: true}))
	require.Equal(t, backwards[4:31], listInPieces(t, c, size, AllDocsOptions{Start: backwards[4], End: backwards[30], Descending: true}))
}

func TestFoundIDsAreSome(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "mine")
	var edits []Edit
	var mine []string
	for n := range sparseAfter + mostFound + 30 {
		channel, id := "mine", fmt.Sprintf("d%05d", n)
		if n < sparseAfter {
			channel = "theirs"
		} else {
			mine = append(mine, id)
		}
		edits = append(edits, Edit{ID: id, Body: fmt.Appendf(nil, `{"channels":[%q]}`, channel)})
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	require.Equal(t, mine, listInPieces(t, f.Collection, 1000, AllDocsOptions{}))
	require.Equal(t, mine, listInPieces(t, f.Collection, 20_000, AllDocsOptions{}))
}

// A database that is deleted is cleared kind by kind. What is read of it in pieces would end early, as if that were all.
func TestWhatIsReadOfADeletedDatabaseIsNotTakenForAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("a", "one two", Rev{})
	f.updateIndex(&wordMapper{})
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	list := func(enough error) {
		err := f.AllDocs(t.Context(), AllDocsOptions{}, func(*Document) error { return enough })
		require.ErrorIs(t, err, ErrNoDatabase)
		err = f.Index(testIndex).View(t.Context(), nil, func(v *IndexView) error {
			return cmp.Or(v.Scan(IndexRange{}, func(*IndexEntry) (bool, error) { return true, nil }), enough)
		})
		require.ErrorIs(t, err, ErrNoDatabase)
	}
	list(nil)
	list(errors.New("as many as were asked for")) // before which some may be missing
}
