package syncstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// wordMapper makes a row of each word of a body, which is {"w":"word word"}.
type wordMapper struct {
	asked atomic.Int64
	fails error
	// during runs before each page is answered.
	during func()
}

func (m *wordMapper) Map(_ context.Context, docs []*Document) ([][]IndexRow, error) {
	m.asked.Add(int64(len(docs)))
	if m.during != nil {
		m.during()
	}
	all := make([][]IndexRow, len(docs))
	for i, doc := range docs {
		all[i] = wordsOf(doc)
	}
	return all, m.fails
}

func wordsOf(doc *Document) (rows []IndexRow) {
	text := strings.TrimSuffix(strings.TrimPrefix(string(doc.Body), `{"w":"`), `"}`)
	words := strings.Fields(text)
	slices.Sort(words)
	for _, word := range words {
		if word != "{}" {
			rows = append(rows, IndexRow{Sort: append([]byte(word), 0), Key: []byte(`"` + word + `"`), Value: []byte(doc.Rev.String())})
		}
	}
	return rows
}

var testIndex = IndexID{1, 2, 3}

func (f *fixture) words(id, words string, parent Rev) Rev {
	f.t.Helper()
	return f.put(id, `{"w":"`+words+`"}`, parent)
}

func (f *fixture) updateIndex(m Mapper) {
	f.t.Helper()
	require.NoError(f.t, f.Index(testIndex).Update(f.t.Context(), m, f.Info().Seq))
}

// indexed are the rows of the index as "word:document".
func (f *fixture) indexed(viewer *Viewer, in IndexRange) (rows []string) {
	f.t.Helper()
	err := f.Index(testIndex).View(f.t.Context(), viewer, func(v *IndexView) error {
		return v.Scan(in, func(e *IndexEntry) (bool, error) {
			rows = append(rows, string(e.Key)+":"+e.ID)
			return true, nil
		})
	})
	require.NoError(f.t, err)
	return rows
}

// naive is what the index must be: all rows of all documents, sorted.
func (f *fixture) naive() (rows []string) {
	f.t.Helper()
	type row struct{ sort, text string }
	var all []row
	require.NoError(f.t, f.AllDocs(f.t.Context(), AllDocsOptions{}, func(doc *Document) error {
		for n, r := range wordsOf(doc) {
			all = append(all, row{fmt.Sprintf("%s\x00%s\x00%06d", r.Sort, doc.ID, n), string(r.Key) + ":" + doc.ID})
		}
		return nil
	}))
	slices.SortFunc(all, func(a, b row) int { return strings.Compare(a.sort, b.sort) })
	for _, r := range all {
		rows = append(rows, r.text)
	}
	return rows
}

func TestIndexFollowsTheCollection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	m := &wordMapper{}
	a := f.words("a", "red green", Rev{})
	f.words("b", "green green", Rev{})
	f.put("c", `{}`, Rev{})
	f.updateIndex(m)
	require.Equal(t, []string{`"green":a`, `"green":b`, `"green":b`, `"red":a`}, f.indexed(nil, IndexRange{}))
	require.EqualValues(t, 3, m.asked.Load())
	f.updateIndex(m)
	require.EqualValues(t, 3, m.asked.Load(), "there is nothing new")
	a = f.words("a", "blue", a)
	f.updateIndex(m)
	require.EqualValues(t, 4, m.asked.Load())
	require.Equal(t, []string{`"blue":a`, `"green":b`, `"green":b`}, f.indexed(nil, IndexRange{}))
	f.remove("a", a)
	f.updateIndex(m)
	require.Equal(t, []string{`"green":b`, `"green":b`}, f.indexed(nil, IndexRange{}))
	seq, rows, err := f.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.Equal(t, f.Info().Seq, seq)
	require.EqualValues(t, 2, rows)
	f.reopen()
	require.Equal(t, []string{`"green":b`, `"green":b`}, f.indexed(nil, IndexRange{}))
	f.updateIndex(m)
	require.EqualValues(t, 4, m.asked.Load(), "it goes on after a restart")
	ids, err := f.StoredIndexes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []IndexID{testIndex}, ids)
	require.NoError(t, f.Index(testIndex).Drop(t.Context()))
	ids, err = f.StoredIndexes(t.Context())
	require.NoError(t, err)
	require.Empty(t, ids)
	require.Zero(t, f.keys(kindIndex))
	f.updateIndex(m)
	require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}), "it can be built anew")
}

func TestIndexBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"1", "2", "3"} {
		f.words(id, "a b c", Rev{})
	}
	f.updateIndex(&wordMapper{})
	at := func(word, doc string, exclude bool) IndexBound {
		return IndexBound{Sort: append([]byte(word), 0), DocID: doc, Exclude: exclude}
	}
	for _, c := range []struct {
		in   IndexRange
		want string
	}{
		{IndexRange{Low: at("b", "", false)}, "b1 b2 b3 c1 c2 c3"},
		{IndexRange{Low: at("b", "", true)}, "c1 c2 c3"},
		{IndexRange{Low: at("b", "2", false)}, "b2 b3 c1 c2 c3"},
		{IndexRange{Low: at("b", "2", true)}, "b3 c1 c2 c3"},
		{IndexRange{High: at("b", "", false)}, "a1 a2 a3 b1 b2 b3"},
		{IndexRange{High: at("b", "", true)}, "a1 a2 a3"},
		{IndexRange{High: at("b", "2", false)}, "a1 a2 a3 b1 b2"},
		{IndexRange{High: at("b", "2", true)}, "a1 a2 a3 b1"},
		{IndexRange{Low: at("b", "", false), High: at("b", "", false), Reverse: true}, "b3 b2 b1"},
		{IndexRange{Low: at("c", "", false), High: at("b", "", false)}, ""},
		{IndexRange{Low: at("aa", "", false), High: at("ab", "", false)}, ""},
	} {
		var got []string
		for _, row := range f.indexed(nil, c.in) {
			got = append(got, row[1:2]+row[4:])
		}
		require.Equal(t, c.want, strings.Join(got, " "), "%+v", c.in)
		err := f.Index(testIndex).View(t.Context(), nil, func(v *IndexView) error {
			n, known, err := v.Count(c.in)
			require.True(t, known)
			require.Equal(t, len(got), n)
			return err
		})
		require.NoError(t, err)
	}
}

// What a viewer sees of an index are the rows of documents that are in one of the viewer's
// channels since they were mapped.
func TestIndexIsForThoseWhoSeeItsDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SetPolicy(Policy{Evaluator: inChannelsOfID{}, Version: "1"})
	for i := range 250 {
		f.words(fmt.Sprintf("%s%03d", []string{"red", "blue", "none"}[i%3], i), "x", Rev{})
	}
	f.updateIndex(&wordMapper{})
	f.give("alice", "red")
	f.give("star", "*")
	require.Len(t, f.indexed(&Viewer{Name: "alice"}, IndexRange{}), 84)
	for _, row := range f.indexed(&Viewer{Name: "alice"}, IndexRange{}) {
		require.Contains(t, row, ":red")
	}
	require.Len(t, f.indexed(&Viewer{Name: "star"}, IndexRange{}), 250)
	require.Empty(t, f.indexed(&Viewer{Name: "bob"}, IndexRange{}))
	f.give("alice")
	require.Empty(t, f.indexed(&Viewer{Name: "alice"}, IndexRange{}))
}

// inChannelsOfID puts a document into the channel that its ID begins with.
type inChannelsOfID struct{}

func (inChannelsOfID) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	return Outcome{Channels: []string{strings.TrimRight(e.New.ID, "0123456789")}}, nil
}

func TestIndexTakesDocumentsOfManyRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	many := func(from, to int) string {
		var words []string
		for n := from; n < to; n++ {
			words = append(words, fmt.Sprintf("w%05d", n))
		}
		return strings.Join(words, " ")
	}
	m := &wordMapper{}
	f.words("small", "a", Rev{})
	rev := f.words("large", many(0, 3000), Rev{})
	f.updateIndex(m)
	require.Len(t, f.indexed(nil, IndexRange{}), 3001)
	rev = f.words("large", many(1500, 5000), rev)
	f.updateIndex(m)
	require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}))
	_, rows, err := f.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3501, rows)
	f.remove("large", rev)
	f.updateIndex(m)
	require.Equal(t, []string{`"a":small`}, f.indexed(nil, IndexRange{}))
	require.Equal(t, 3, f.keys(kindIndex), "nothing is left over")
}

func TestIndexBuildingThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("a", "x", Rev{})
	broken := errors.New("broken")
	err := f.Index(testIndex).Update(t.Context(), &wordMapper{fails: broken}, f.Info().Seq)
	require.ErrorIs(t, err, broken)
	_, running := f.Index(testIndex).Building()
	require.False(t, running)
	f.updateIndex(&wordMapper{})
	require.Equal(t, []string{`"x":a`}, f.indexed(nil, IndexRange{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.words("b", "x", Rev{})
	require.ErrorIs(t, f.Index(testIndex).Update(ctx, &wordMapper{}, f.Info().Seq), context.Canceled)
	f.updateIndex(&wordMapper{})
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	require.ErrorIs(t, f.Index(testIndex).Update(t.Context(), &wordMapper{}, f.Info().Seq+1), ErrNoDatabase)
}

// A document that cannot be read is missing in an index. The others are in it.
func TestAnIndexIsBuiltPastADamagedDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"a", "b", "c"} {
		f.words(id, "x", Rev{})
	}
	f.damage("b")
	f.updateIndex(&wordMapper{})
	require.Equal(t, []string{`"x":a`, `"x":c`}, f.indexed(nil, IndexRange{}))
	f.words("d", "x", Rev{})
	f.updateIndex(&wordMapper{})
	require.Len(t, f.indexed(nil, IndexRange{}), 3)
}

// What was mapped before an error is kept: the next building goes on behind it.
func TestAnIndexKeepsWhatWasMappedBeforeAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"a", "b", "c"} {
		f.words(id, "x", Rev{})
	}
	broken := errors.New("broken")
	m := &fewMapper{few: 2, wordMapper: wordMapper{fails: broken}}
	for _, want := range [][]string{{`"x":a`, `"x":b`}, {`"x":a`, `"x":b`, `"x":c`}} {
		require.ErrorIs(t, f.Index(testIndex).Update(t.Context(), m, f.Info().Seq), broken)
		require.Equal(t, want, f.indexed(nil, IndexRange{}))
	}
	m.few = 0
	f.words("d", "x", Rev{})
	require.ErrorIs(t, f.Index(testIndex).Update(t.Context(), m, f.Info().Seq), broken)
	require.Len(t, f.indexed(nil, IndexRange{}), 3)
}

var errUnplugged = errors.New("unplugged")

// lastMapper has its second page mapped until it is told to be over, though the building has failed.
type lastMapper struct {
	wordMapper
	fail            func()
	pages           int
	ended, released chan struct{}
}

func (m *lastMapper) Map(ctx context.Context, docs []*Document) ([][]IndexRow, error) {
	if m.pages++; m.pages == 1 {
		m.fail()
		return m.wordMapper.Map(ctx, docs)
	}
	<-ctx.Done()
	close(m.ended)
	<-m.released
	return nil, ctx.Err()
}

// A mapper is for one goroutine at a time: a building that failed is over when nothing is mapped for it
// any more, and not before.
func TestABuildingThatFailedIsOverWhenNothingIsMapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for n := range indexPageBusy + 5 {
			f.words(fmt.Sprint(n), "x", Rev{})
		}
		m := &lastMapper{fail: func() { f.engine.FailNext(errUnplugged) }, ended: make(chan struct{}), released: make(chan struct{})}
		over := make(chan error, 1)
		go func() { over <- f.Index(testIndex).Update(t.Context(), m, f.Info().Seq) }()
		<-m.ended
		synctest.Wait()
		require.Empty(t, over)
		close(m.released)
		require.ErrorIs(t, <-over, errUnplugged)
	})
}

// Whatever happens to the commits of an index, and wherever a stop interrupts it, it is in the
// end what it would be if it were computed anew.
func TestIndexIsRightAfterStopsAndFailures(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			random := rand.New(rand.NewPCG(seed, 7))
			flaky := &wordMapper{during: func() {
				switch random.IntN(4) {
				case 0:
					f.engine.FailNext(errUnplugged)
				case 1:
					f.engine.FailNext(engine.ErrDoubtful)
				}
			}}
			revs := map[string]Rev{}
			for range 60 {
				for range random.IntN(12) {
					id := fmt.Sprintf("d%d", random.IntN(8))
					var words []string
					length := random.IntN(4)
					if random.IntN(12) == 0 {
						length = 1500
					}
					for range length {
						words = append(words, fmt.Sprintf("w%d", random.IntN(2000)))
					}
					if rev, ok := revs[id]; ok && random.IntN(4) == 0 {
						f.remove(id, rev)
						delete(revs, id)
						continue
					}
					revs[id] = f.words(id, strings.Join(words, " "), revs[id])
				}
				_ = f.Index(testIndex).Update(t.Context(), flaky, f.Info().Seq)
				f.engine.FailNext(nil)
				f.untilWritable()
				if random.IntN(10) == 0 {
					f.reopen()
				}
			}
			f.updateIndex(&wordMapper{})
			require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}))
			_, rows, err := f.Index(testIndex).Covers(t.Context())
			require.NoError(t, err)
			require.Len(t, f.naive(), int(rows))
		})
	}
}
