package syncstore

import (
	"fmt"
	"strings"
	"testing"

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
