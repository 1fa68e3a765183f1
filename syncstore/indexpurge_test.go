package syncstore

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAPurgedDocumentIsInNoIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("a", "x y", Rev{})
	f.words("b", "x", Rev{})
	f.updateIndex(&wordMapper{})
	f.purged("a")
	require.Equal(t, []string{`"x":b`}, f.indexed(nil, IndexRange{}), "at once")
	_, rows, err := f.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, rows)
	f.words("a", "z", Rev{})
	f.updateIndex(&wordMapper{})
	require.Equal(t, []string{`"x":b`, `"z":a`}, f.indexed(nil, IndexRange{}))

	var many []string
	for n := range 2 * maxUnindexed {
		many = append(many, fmt.Sprintf("w%05d", n))
	}
	f.words("many", strings.Join(many, " "), Rev{})
	f.updateIndex(&wordMapper{})
	f.purged("many")
	require.Empty(t, f.indexed(nil, IndexRange{}), "nothing of the document is shown")
	f.updateIndex(&wordMapper{})
	require.Equal(t, []string{`"x":b`, `"z":a`}, f.indexed(nil, IndexRange{}))
	require.Equal(t, 5, f.keys(kindIndex))
}

// A document that is purged while it is mapped does not come back.
func TestAPurgeWhileAnIndexIsBuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("b", "x", Rev{})
	f.updateIndex(&wordMapper{})
	f.words("a", "x y", Rev{})
	once := false
	f.updateIndex(&wordMapper{during: func() {
		if !once {
			once = true
			f.purged("a")
		}
	}})
	require.Equal(t, []string{`"x":b`}, f.indexed(nil, IndexRange{}))
	require.Equal(t, 3, f.keys(kindIndex))
}

// What the first build of an index mapped before the purge does not come back either, though there
// is nothing of the index yet that the purge could change.
func TestAPurgeWhileAnIndexIsBuiltForTheFirstTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("b", "x", Rev{})
	f.words("a", "x y", Rev{})
	once := false
	f.updateIndex(&wordMapper{during: func() {
		if !once {
			once = true
			f.purged("a")
		}
	}})
	require.Equal(t, []string{`"x":b`}, f.indexed(nil, IndexRange{}))
	require.Equal(t, 3, f.keys(kindIndex))
}

// A purge that is written, and cannot be seen yet, when the first build of an index begins knows nothing of the
// index. Its document is not in it.
func TestAPurgeBesideTheBeginningOfAnIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, f := openHooked(t)
		f.sized("a", sizedBody{nil, 1, "erased"}, Rev{})
		f.sized("b", sizedBody{nil, 1, "kept"}, Rev{})
		_, err := f.StoredIndexes(t.Context()) // the names of indexes are known: there are none
		require.NoError(t, err)
		built, until := make(chan error, 1), f.Info().Seq
		var once sync.Once
		hook := func() {
			once.Do(func() {
				go func() { built <- f.Index(testIndex).Update(t.Context(), sizedMapper{}, until) }()
				synctest.Wait() // the building has got as far as it can before the purge is committed
			})
		}
		e.before.Store(&hook)
		f.purged("a")
		require.NoError(t, <-built)
		f.updateIndex(sizedMapper{})
		require.Equal(t, map[string]int{"kept": 1}, f.valuesSeen(nil))
	})
}
