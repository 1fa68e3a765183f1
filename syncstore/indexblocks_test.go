package syncstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// counted compares what the blocks say of ranges with the rows themselves, in one snapshot.
func counted(v *IndexView, ranges ...IndexRange) error {
	for _, in := range ranges {
		rows := 0
		if err := v.Scan(in, func(*IndexEntry) (bool, error) { rows++; return true, nil }); err != nil {
			return err
		}
		n, known, err := v.Count(in)
		if err != nil {
			return err
		}
		if !known { // the writer was two commits ahead
			n = rows
		}
		if err := countedBefore(v, in, rows); err != nil {
			return err
		}
		pieces, err := v.Pieces(in)
		if err != nil {
			return err
		}
		sum := 0
		for i := range pieces {
			before := sum
			if err := v.Scan(pieces[i].Range, func(*IndexEntry) (bool, error) { sum++; return true, nil }); err != nil {
				return err
			}
			if b := pieces[i].Block; b != nil && sum-before != int(b.counted.Load().rows) {
				return fmt.Errorf("a block of %d rows has %d", sum-before, b.counted.Load().rows)
			}
		}
		if n != rows || sum != rows {
			return fmt.Errorf("%d rows, counted %d, %d in pieces: %+v", rows, n, sum, in)
		}
	}
	return nil
}

// countedBefore compares what is counted before a range with the rows there.
func countedBefore(v *IndexView, in IndexRange, rows int) error {
	in.Reverse = false
	inside, outside := 0, 0
	before, known, err := v.ScanCounting(in, func(*IndexEntry) (bool, error) { inside++; return true, nil })
	if err != nil || !known || in.Low.Sort == nil {
		return err
	}
	end := in.Low
	end.Exclude = true
	if err := v.Scan(IndexRange{High: end}, func(*IndexEntry) (bool, error) { outside++; return true, nil }); err != nil {
		return err
	}
	if before != outside || inside != rows {
		return fmt.Errorf("%d of %d rows before, %d of %d inside", before, outside, inside, rows)
	}
	return nil
}

func wordRange(low, high string) IndexRange {
	return IndexRange{Low: IndexBound{Sort: append([]byte(low), 0)}, High: IndexBound{Sort: append([]byte(high), 0)}}
}

// Whoever reads while the index is written counts the rows of the own snapshot, and what was kept
// with a block is of these rows.
func TestBlocksAreThoseOfTheReadersSnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.options.IndexBlock = 5
	var over atomic.Bool
	var readers sync.WaitGroup
	failed := make(chan error, 3)
	backwards := wordRange("w1", "w7")
	backwards.Reverse = true
	for range cap(failed) {
		readers.Go(func() {
			var err error
			for !over.Load() && err == nil {
				err = f.Index(testIndex).View(t.Context(), nil, func(v *IndexView) error {
					return counted(v, IndexRange{}, wordRange("w2", "w5"), wordRange("w0", "w3"), backwards, wordRange("w6", "w6"), wordRange("w6", "w6"))
				})
			}
			failed <- err
		})
	}
	revs := map[string]Rev{}
	for n := range 300 {
		id := fmt.Sprint(n * 7 % 40)
		if n%9 == 8 {
			_, _ = f.Purge(t.Context(), []Purging{{ID: id}})
			delete(revs, id)
			continue
		}
		words := strings.Repeat(fmt.Sprintf("w%d ", n%9), n%4+1)
		if n%50 == 0 {
			words = strings.Repeat("w4 w6 ", 1200)
		}
		revs[id] = f.words(id, words, revs[id])
		f.updateIndex(&wordMapper{})
	}
	over.Store(true)
	readers.Wait()
	for range cap(failed) {
		require.NoError(t, <-failed)
	}
	f.updateIndex(&wordMapper{})
	require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}))
}

func TestSkippingPassesOverAsManyRowsAsItSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.options.IndexBlock = 4
	for i := range 60 {
		f.words(fmt.Sprintf("%02d", i), fmt.Sprintf("w%d x", i%10), Rev{})
	}
	f.updateIndex(&wordMapper{})
	for _, in := range []IndexRange{{}, {Reverse: true}, wordRange("w3", "w8"), {Low: IndexBound{Sort: []byte("w3\x00")}, Reverse: true}} {
		all := f.indexed(nil, in)
		for skip := range len(all) + 3 {
			err := f.Index(testIndex).View(t.Context(), nil, func(v *IndexView) error {
				rest, left, err := v.Skip(in, skip)
				require.NoError(t, err)
				var rows []string
				err = v.Scan(rest, func(e *IndexEntry) (bool, error) {
					rows = append(rows, string(e.Key)+":"+e.ID)
					return true, nil
				})
				require.GreaterOrEqual(t, skip, left)
				require.Equal(t, all[min(skip, len(all)):], append([]string{}, rows[min(left, len(rows)):]...), "%d of %+v", skip, in)
				return err
			})
			require.NoError(t, err)
		}
	}
}

// Rows that move leave few behind: the blocks do not become more and more.
func TestBlocksOfRowsThatMoveAreMadeAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.options.IndexBlock = 4
	revs := make([]Rev, 40)
	for round := range 12 {
		for i := range revs {
			revs[i] = f.words(fmt.Sprintf("%02d", i), fmt.Sprintf("w%03d", round*40+i), revs[i])
		}
		f.updateIndex(&wordMapper{})
		require.NoError(t, f.Index(testIndex).View(t.Context(), nil, func(v *IndexView) error { return counted(v, IndexRange{}) }))
	}
	require.LessOrEqual(t, len(f.Index(testIndex).blocks.list.all), 16+40)
}
