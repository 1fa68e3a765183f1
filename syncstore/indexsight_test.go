package syncstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// An index that is behind has rows of before. Who was given a channel after a document had left it could never read
// them, and does not get them either if the document has come back.
func TestAnIndexThatIsBehindShowsNobodyWhatTheyCouldNeverRead(t *testing.T) {
	t.Parallel()
	for _, others := range []int{0, 2 * listedWrites} {
		_, f := openHooked(t)
		f.SetPolicy(Policy{Evaluator: sizedPolicy{}, Version: "1"})
		left := f.sized("left", sizedBody{[]string{"red"}, 1, "left"}, Rev{})
		back := f.sized("back", sizedBody{[]string{"red"}, 1, "back"}, Rev{})
		stays := f.sized("stays", sizedBody{[]string{"red"}, 1, "stays"}, Rev{})
		f.sized("same", sizedBody{[]string{"red"}, 1, "same"}, Rev{})
		f.updateIndex(sizedMapper{})
		for i := range others {
			f.sized(fmt.Sprint("other", i), sizedBody{[]string{"red"}, 1, "other"}, Rev{})
		}
		f.sized("left", sizedBody{[]string{"blue"}, 1, "left"}, left)
		back = f.sized("back", sizedBody{[]string{"blue"}, 1, "back"}, back)
		f.sized("stays", sizedBody{[]string{"red", "blue"}, 1, "new"}, stays)
		f.give("alice", "red")
		f.sized("back", sizedBody{[]string{"red"}, 1, "new"}, back)
		require.Equal(t, map[string]int{"stays": 1, "same": 1}, f.valuesSeen(&Viewer{Name: "alice"}))
		require.Empty(t, f.valuesSeen(&Viewer{Name: "bob"}))
		require.Len(t, f.valuesSeen(nil), 4)
		f.purged("stays")
		require.Equal(t, map[string]int{"same": 1}, f.valuesSeen(&Viewer{Name: "alice"}))
		f.updateIndex(sizedMapper{})
		want := map[string]int{"new": 1, "same": 1}
		if others > 0 {
			want["other"] = others
		}
		require.Equal(t, want, f.valuesSeen(&Viewer{Name: "alice"}))
	}
}

// What is stored of a document of many rows is read once for them, and not once for each.
func TestRowsOfOneDocumentAreJudgedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter // before what goes on by itself begins to read
	f.SetPolicy(Policy{Evaluator: sizedPolicy{}, Version: "1"})
	f.give("alice", "red")
	f.put("a", `{"Channels":["red"]}`, Rev{})
	const rows, size = 1000, 500
	f.updateIndex(longMapper{rows: rows, size: size})
	require.Len(t, f.indexed(&Viewer{Name: "alice"}, IndexRange{}), rows)
	require.Less(t, meter.view, 2*rows*size)
}
