package enginetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func testScanRanges(t *testing.T, e engine.Engine) {
	all := keys("a", "a\x00", "aa", "ab", "b", "b\xff", "b\xff\xff", "c", "\xff", "\xff\xff")
	put(t, e, all...)
	ends := []string{"", "\x00", "a", "a\x00", "aa", "aaa", "ab", "ac", "b", "b\x00", "b\xff", "b\xff\x00", "c", "d", "\xff", "\xff\xff", "\xff\xff\xff"}
	view(t, e, func(r engine.Reader) {
		for _, start := range ends {
			for _, end := range ends {
				var want []pair
				for _, p := range all {
					if p.key >= start && (end == "" || p.key < end) {
						want = append(want, p)
					}
				}
				in := engine.Range{Start: []byte(start), End: []byte(end)}
				require.Equal(t, want, scan(t, r, in), "%q to %q", start, end)
				slices.Reverse(want)
				in.Reverse = true
				require.Equal(t, want, scan(t, r, in), "%q to %q backwards", start, end)
			}
		}
		require.Equal(t, all, scan(t, r, engine.Range{}))
	})
}

func testScanPrefixes(t *testing.T, e engine.Engine) {
	all := keys("a", "a\xfe", "a\xff", "a\xff\x00", "a\xff\xff", "a\xff\xff\x01", "b", "b\x00", "\xff", "\xff\x00", "\xff\xff")
	put(t, e, all...)
	view(t, e, func(r engine.Reader) {
		for _, prefix := range []string{"", "a", "a\xfe", "a\xff", "a\xff\xff", "b", "c", "\xff", "\xff\xff", "\xff\xff\xff"} {
			var want []pair
			for _, p := range all {
				if bytes.HasPrefix([]byte(p.key), []byte(prefix)) {
					want = append(want, p)
				}
			}
			in := engine.PrefixRange([]byte(prefix))
			require.Equal(t, want, scan(t, r, in), "%q", prefix)
			slices.Reverse(want)
			in.Reverse = true
			require.Equal(t, want, scan(t, r, in), "%q backwards", prefix)
		}
	})
}

func testScanKeysOnly(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "b", "c")...)
	view(t, e, func(r engine.Reader) {
		for _, reverse := range []bool{false, true} {
			var got []string
			pairs, failed := r.Scan(engine.Range{KeysOnly: true, Reverse: reverse, Start: []byte("b")})
			for k, v := range pairs {
				require.Nil(t, v)
				got = append(got, string(k))
			}
			require.NoError(t, failed())
			want := []string{"b", "c"}
			if reverse {
				slices.Reverse(want)
			}
			require.Equal(t, want, got)
		}
	})
}

// testMeasure allows an engine what it keeps beside a pair, and what is pending in an update.
func testMeasure(t *testing.T, e engine.Engine) {
	const large = 2 << 20
	put(t, e, pair{"a", strings.Repeat("x", 1000)}, pair{"b", strings.Repeat("y", large)}, pair{"c", "z"}, pair{"d", ""})
	view(t, e, func(r engine.Reader) {
		for _, test := range []struct {
			from, to string
			limit    int
			least    int64
			next     string
		}{
			{"", "", 10, large + 1005, ""},
			{"", "", 4, large + 1005, ""},
			{"", "", 2, large + 1002, "c"},
			{"", "b", 10, 1001, ""},
			{"b", "d", 1, large + 1, "c"},
			{"b", "d", 2, large + 3, ""},
			{"e", "", 1, 0, ""},
		} {
			size, next, err := r.Measure(engine.Range{Start: []byte(test.from), End: []byte(test.to)}, test.limit)
			require.NoError(t, err)
			require.Equal(t, test.next, string(next))
			require.GreaterOrEqual(t, size, test.least)
			require.LessOrEqual(t, size, test.least+4*64)
		}
	})
}

func testScanStopped(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "b", "c")...)
	view(t, e, func(r engine.Reader) {
		for _, limit := range []int{0, 1, 1000} { // a hint, no more
			pairs, failed := r.Scan(engine.Range{Limit: limit})
			for k := range pairs {
				require.Equal(t, "a", string(k))
				break
			}
			require.NoError(t, failed())
			require.Len(t, scan(t, r, engine.Range{Limit: limit}), 3)
		}
		pairs, failed := r.Scan(engine.Range{Start: []byte("c"), End: []byte("a")})
		for range pairs {
			require.Fail(t, "a pair of an empty range")
		}
		require.NoError(t, failed())
	})
}

// testScanLarge mixes sizes, so that buffers used again would show.
func testScanLarge(t *testing.T, e engine.Engine) {
	var want []pair
	for i := range 40 {
		size := []int{0, 10, 1000, 64<<10 - 8, 64 << 10, 70_000, 300_000}[i%7]
		want = append(want, pair{fmt.Sprintf("key %02d", i), string(pattern(size, byte(i)))})
	}
	put(t, e, want...)
	view(t, e, func(r engine.Reader) {
		got := scan(t, r, engine.Range{})
		require.True(t, slices.Equal(want, got))
		reversed := scan(t, r, engine.Range{Reverse: true})
		slices.Reverse(reversed)
		require.True(t, slices.Equal(want, reversed))
	})
}

// testScanNested reads and scans while a scan is on its way.
func testScanNested(t *testing.T, e engine.Engine) {
	names := []string{"a", "b", "c", "d", "e"}
	put(t, e, keys(names...)...)
	nested := func(r engine.Reader) {
		var got []string
		pairs, failed := r.Scan(engine.Range{})
		for k, v := range pairs {
			requireValue(t, r, string(k), "value of "+string(k))
			require.Len(t, scan(t, r, engine.Range{Start: k}), len(names)-len(got))
			require.Equal(t, "value of "+string(k), string(v))
			got = append(got, string(k))
		}
		require.NoError(t, failed())
		require.Equal(t, names, got)
	}
	view(t, e, nested)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		nested(tx)
		return tx.Put([]byte("x"), nil)
	}))
}
