package query

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The order is that of Erlang's terms, as CouchDB documents it for the collation "raw".
func TestRawSortKeysAreInTheOrderOfCouchDBsTerms(t *testing.T) {
	t.Parallel()
	ordered := []string{
		"-2", "-1.5", "0", "1", "2e1", "1000", "false", "null", "true",
		"{}", `{"B":1}`, `{"a":1}`, `{"a":null}`, `{"a":"x"}`, `{"a":"x","b":1}`, `{"b":0}`,
		"[]", "[1]", "[1,null]", "[false]", "[{}]", "[[]]", `["a"]`,
		`""`, `"\u0000"`, `"A"`, `"B"`, `"a"`, `"a\u0000"`, `"aa"`, `"b"`, `"é"`, `"😀"`,
	}
	for i := 1; i < len(ordered); i++ {
		p, q := AppendRawSortKey(nil, []byte(ordered[i-1])), AppendRawSortKey(nil, []byte(ordered[i]))
		require.Negative(t, bytes.Compare(p, q), "%s and %s", ordered[i-1], ordered[i])
		require.False(t, bytes.HasPrefix(q, p), "%s and %s", ordered[i-1], ordered[i])
	}
	require.Equal(t, AppendRawSortKey(nil, []byte("1")), AppendRawSortKey(nil, []byte("1.0")))
	require.Equal(t, AppendRawSortKey(nil, []byte(`"\u0061"`)), AppendRawSortKey(nil, []byte(`"a"`)))
}

func TestNoRawSortKeyIsTheBeginningOfAnother(t *testing.T) {
	t.Parallel()
	values := jsonValue(2)
	rapid.Check(t, func(t *rapid.T) {
		p := AppendRawSortKey(nil, []byte(values.Draw(t, "a")))
		q := AppendRawSortKey(nil, []byte(values.Draw(t, "b")))
		require.False(t, !bytes.Equal(p, q) && (bytes.HasPrefix(p, q) || bytes.HasPrefix(q, p)))
	})
}
