package syncstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheOldestOfVeryManyAncestorsAreLeftOut(t *testing.T) {
	t.Parallel()
	text := `{"start":900000000,"ids":["z"` + strings.Repeat(`,"a"`, 3*maxParsed) + `]}`
	history, err := ParseHistory([]byte(text))
	require.NoError(t, err)
	require.Len(t, history, maxParsed)
	require.Equal(t, Rev{900000000, "z"}, history[0])
	require.Equal(t, Rev{900000000 - maxParsed + 1, "a"}, history[maxParsed-1])
	_, err = ParseHistory([]byte(strings.Replace(text, "900000000", "200000", 1)))
	require.ErrorIs(t, err, ErrBadHistory, "there are more than generations all the same")
}
