package enginetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// testModel does random operations on an engine and on a map and compares.
func testModel(t *testing.T, e engine.Engine) {
	model := map[string]string{}
	key := rapid.StringMatching("[\x00ab\u00ff]{1,4}")
	undo := errors.New("undo")
	rapid.Check(t, func(t *rapid.T) {
		changed := maps.Clone(model)
		fails := rapid.IntRange(0, 4).Draw(t, "fails") == 0
		err := e.Update(context.Background(), func(tx engine.Txn) error {
			changed = maps.Clone(model) // it may be called again
			for range rapid.IntRange(1, 12).Draw(t, "operations") {
				k := key.Draw(t, "key")
				if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
					require.NoError(t, tx.Delete([]byte(k)))
					delete(changed, k)
				} else {
					v := rapid.StringN(0, 8, -1).Draw(t, "value")
					require.NoError(t, tx.Put([]byte(k), []byte(v)))
					changed[k] = v
				}
				compare(t, tx, changed, key)
			}
			if fails {
				return undo
			}
			return nil
		})
		if fails {
			require.ErrorIs(t, err, undo)
		} else {
			require.NoError(t, err)
			model = changed
		}
		require.NoError(t, e.View(context.Background(), func(r engine.Reader) error {
			compare(t, r, model, key)
			return nil
		}))
	})
}

// compare compares a key and a range.
func compare(t *rapid.T, r engine.Reader, model map[string]string, key *rapid.Generator[string]) {
	k := key.Draw(t, "read key")
	got, err := r.Get([]byte(k))
	if want, ok := model[k]; ok {
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	} else {
		require.ErrorIs(t, err, engine.ErrNotFound)
	}
	in := engine.Range{
		Start:   []byte(rapid.OneOf(rapid.Just(""), key).Draw(t, "start")),
		End:     []byte(rapid.OneOf(rapid.Just(""), key).Draw(t, "end")),
		Reverse: rapid.Bool().Draw(t, "reverse"),
		Limit:   rapid.IntRange(0, 3).Draw(t, "limit"),
	}
	var want []pair
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if k >= string(in.Start) && (len(in.End) == 0 || k < string(in.End)) {
			want = append(want, pair{k, model[k]})
		}
	}
	if in.Reverse {
		slices.Reverse(want)
	}
	var found []pair
	pairs, failed := r.Scan(in)
	for k, v := range pairs {
		found = append(found, pair{string(k), string(v)})
	}
	require.NoError(t, failed())
	require.Equal(t, want, found)
}
