package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrefixEndIsTheFirstKeyBehindAllKeysOfThePrefix(t *testing.T) {
	t.Parallel()
	for prefix, end := range map[string]string{
		"": "", "a": "b", "ab": "ac", "a\xff": "b", "a\xff\xff": "b", "\xff": "", "\xff\xff": "", "a\xfe": "a\xff", "\x00": "\x01",
	} {
		require.Equal(t, end, string(PrefixEnd([]byte(prefix))), "%q", prefix)
	}
	require.Nil(t, PrefixEnd([]byte("\xff")))
}

func TestPrefixRangeLeavesThePrefixAlone(t *testing.T) {
	t.Parallel()
	prefix := []byte("ab")
	require.Equal(t, Range{Start: []byte("ab"), End: []byte("ac")}, PrefixRange(prefix))
	require.Equal(t, "ab", string(prefix))
}
