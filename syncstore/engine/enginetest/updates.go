package enginetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func testSnapshot(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "b")...)
	view(t, e, func(r engine.Reader) {
		put(t, e, pair{"a", "new"}, pair{"c", "new"})
		remove(t, e, "b")
		requireValue(t, r, "a", "value of a")
		requireValue(t, r, "b", "value of b")
		requireMissing(t, r, "c")
		require.Equal(t, keys("a", "b"), scan(t, r, engine.Range{}))
		pairs, failed := r.Scan(engine.Range{Reverse: true})
		for k := range pairs {
			remove(t, e, string(k))
		}
		require.NoError(t, failed())
		require.Equal(t, keys("a", "b"), scan(t, r, engine.Range{}))
	})
	view(t, e, func(r engine.Reader) { require.Equal(t, []pair{{"c", "new"}}, scan(t, r, engine.Range{})) })
}

func testViewSeesUpdates(t *testing.T, e engine.Engine) {
	for i := range 100 {
		value := fmt.Sprint(i)
		put(t, e, pair{"a", value})
		view(t, e, func(r engine.Reader) { requireValue(t, r, "a", value) })
	}
}

func testOwnWrites(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "c", "e")...)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		require.NoError(t, tx.Put([]byte("b"), []byte("value of b")))
		require.NoError(t, tx.Put([]byte("c"), []byte("first")))
		require.NoError(t, tx.Put([]byte("c"), []byte("second")))
		require.NoError(t, tx.Delete([]byte("e")))
		require.NoError(t, tx.Put([]byte("f"), nil))
		require.NoError(t, tx.Delete([]byte("f")))
		requireValue(t, tx, "c", "second")
		requireMissing(t, tx, "e")
		requireMissing(t, tx, "f")
		require.Equal(t, []pair{{"a", "value of a"}, {"b", "value of b"}, {"c", "second"}}, scan(t, tx, engine.Range{}))
		require.Equal(t, []pair{{"c", "second"}, {"b", "value of b"}}, scan(t, tx, engine.Range{Start: []byte("b"), Reverse: true}))
		values, err := tx.GetMany([][]byte{[]byte("b"), []byte("e")})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("value of b"), nil}, values)
		view(t, e, func(r engine.Reader) { require.Equal(t, keys("a", "c", "e"), scan(t, r, engine.Range{})) })
		return nil
	}))
	view(t, e, func(r engine.Reader) {
		require.Equal(t, []pair{{"a", "value of a"}, {"b", "value of b"}, {"c", "second"}}, scan(t, r, engine.Range{}))
	})
}

func testUndo(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "b")...)
	before := e.Stats().Commits
	undo := errors.New("undo")
	require.ErrorIs(t, e.Update(t.Context(), func(tx engine.Txn) error {
		require.NoError(t, tx.Put([]byte("a"), []byte("new")))
		require.NoError(t, tx.Put([]byte("c"), []byte("new")))
		require.NoError(t, tx.Delete([]byte("b")))
		return undo
	}), undo)
	view(t, e, func(r engine.Reader) { require.Equal(t, keys("a", "b"), scan(t, r, engine.Range{})) })
	require.Equal(t, before, e.Stats().Commits)
}

func testLargeUpdate(t *testing.T, e engine.Engine) {
	for _, c := range []struct{ keys, size int }{{TxnKeys, 16}, {TxnSize / 1024, 1000}, {TxnSize / (60 << 10), 60 << 10}, {30, 512 << 10}} {
		err := e.Update(t.Context(), func(tx engine.Txn) error {
			for i := range c.keys {
				if err := tx.Put(fmt.Appendf(nil, "%d/%08d", c.size, i), pattern(c.size, byte(i))); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err, "%d keys of %d bytes", c.keys, c.size)
		view(t, e, func(r engine.Reader) {
			require.Len(t, scan(t, r, engine.PrefixRange(fmt.Appendf(nil, "%d/", c.size))), c.keys)
		})
	}
}

func testNoWrites(t *testing.T, e engine.Engine) {
	put(t, e, keys("a")...)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		requireValue(t, tx, "a", "value of a")
		return nil
	}))
}

func testIncrements(t *testing.T, e engine.Engine) {
	const writers, times = 8, 50
	var wg sync.WaitGroup
	failures := make(chan error, writers*times)
	for range writers {
		wg.Go(func() {
			for range times {
				if err := e.Update(t.Context(), increment); err != nil {
					failures <- err
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	require.NoError(t, <-failures)
	view(t, e, func(r engine.Reader) {
		got, err := r.Get([]byte("counter"))
		require.NoError(t, err)
		require.EqualValues(t, writers*times, binary.BigEndian.Uint64(got))
		// A key for each count: nobody read a count that another one had too.
		require.Len(t, scan(t, r, engine.PrefixRange([]byte("count/"))), writers*times)
	})
}

// increment counts and takes note of it under the last note's key, found by a scan.
func increment(tx engine.Txn) error {
	var n uint64
	switch v, err := tx.Get([]byte("counter")); {
	case err == nil:
		n = binary.BigEndian.Uint64(v)
	case !errors.Is(err, engine.ErrNotFound):
		return err
	}
	last := engine.PrefixRange([]byte("count/"))
	last.Reverse, last.Limit = true, 1
	pairs, failed := tx.Scan(last)
	for key := range pairs {
		if string(key) != fmt.Sprintf("count/%08d", n) {
			return fmt.Errorf("the last key is %s at count %d", key, n)
		}
		break
	}
	if err := failed(); err != nil {
		return err
	}
	if err := tx.Put(fmt.Appendf(nil, "count/%08d", n+1), nil); err != nil {
		return err
	}
	return tx.Put([]byte("counter"), binary.BigEndian.AppendUint64(nil, n+1))
}

func testWholeUpdates(t *testing.T, e engine.Engine) {
	const width = 20
	update := func(n int) {
		pairs := make([]pair, width)
		for i := range pairs {
			pairs[i] = pair{fmt.Sprintf("%02d", i), fmt.Sprint(n)}
		}
		put(t, e, pairs...)
	}
	update(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	failures := make(chan string, 4)
	for i := range cap(failures) {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if failure := mixed(t, e, i%2 == 0, width); failure != "" {
					failures <- failure
					return
				}
			}
		})
	}
	for n := range 100 {
		update(n)
	}
	close(done)
	wg.Wait()
	close(failures)
	require.Empty(t, <-failures)
}

// mixed says what is wrong with a view if it does not see one whole update.
func mixed(t *testing.T, e engine.Engine, reverse bool, width int) (failure string) {
	err := e.View(t.Context(), func(r engine.Reader) error {
		var first string
		count := 0
		pairs, failed := r.Scan(engine.Range{Reverse: reverse})
		for k, v := range pairs {
			if count == 0 {
				first = string(v)
			}
			if string(v) != first {
				failure = fmt.Sprintf("%s is of update %s, not %s", k, v, first)
			}
			count++
		}
		if count != width {
			failure = fmt.Sprintf("%d keys of %d", count, width)
		}
		return failed()
	})
	if err != nil {
		return err.Error()
	}
	return failure
}
