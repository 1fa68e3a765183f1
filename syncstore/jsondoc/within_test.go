package jsondoc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyThatIsTooLongIsNotMade(t *testing.T) {
	t.Parallel()
	for text, size := range map[string]int64{`{"a":1}`: 7, ` {"a":1} `: 7, `{"_id":"long enough","a":1}`: 7, `{"_id":"a"}`: 2, `{"a":1,"_id":"a", "b":2}`: 13} {
		d, err := ParseWithin([]byte(text), size)
		require.NoError(t, err)
		require.False(t, d.Long, text)
		require.Len(t, d.Body, int(size), text)
		long, err := ParseWithin([]byte(text), size-1)
		require.NoError(t, err)
		require.True(t, long.Long, text)
		require.Nil(t, long.Body, text)
		require.Equal(t, d.Meta, long.Meta)
	}
}
