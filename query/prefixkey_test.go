package query

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What begins with a text has a sort key that begins with the text's.
func TestTextsThatBeginWithATextAreBehindItsPrefix(t *testing.T) {
	t.Parallel()
	c := NewCollation()
	letters := []rune("aAbBlLsz_-1 .~{}é\u0301\u0300\u00b7\u0387\u0000\u0001\uffff\u0e40\u0e01\u0f71😀日ß")
	var useful, all int
	rapid.Check(t, func(t *rapid.T) {
		begin := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(letters), 0, 4, -1), rapid.StringMatching(`[ -~]{0,4}`), rapid.StringN(0, 3, -1)).Draw(t, "begin")
		end := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(letters), 0, 4, -1), rapid.StringN(0, 4, -1)).Draw(t, "end")
		key := c.AppendSortKey(nil, []byte(quote(begin+end)))
		prefix := c.AppendTextPrefix(nil, begin)
		require.True(t, bytes.HasPrefix(key, prefix), "%q %q: %x %x", begin, end, key, prefix)
		all++
		if len(prefix) > 1 {
			useful++
		}
	})
	require.Greater(t, useful*5, all)
	require.NotEqual(t, c.AppendTextPrefix(nil, "ab"), c.AppendTextPrefix(nil, "ac"))
}

// IDs are in the order of their bytes, and among strings.
func TestKeysOfIDsAreInTheOrderOfBytes(t *testing.T) {
	t.Parallel()
	ids := rapid.StringN(0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		require.Equal(t, strings.Compare(a, b), bytes.Compare(AppendIDKey(nil, a), AppendIDKey(nil, b)))
		require.Equal(t, strings.HasPrefix(a, b), bytes.HasPrefix(AppendIDKey(nil, a), AppendIDPrefix(nil, b)))
		require.True(t, bytes.HasPrefix(AppendIDKey(nil, a), StringKeys()))
	})
	require.True(t, bytes.HasPrefix(NewCollation().AppendSortKey(nil, []byte("[1]")), ArrayKeys()))
}
