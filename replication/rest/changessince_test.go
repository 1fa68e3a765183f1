package rest

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision34_SinceTakesTheFormsOfCursors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"":                       0,
		"0":                      0,
		"5":                      5,
		"007":                    7,
		`"5"`:                    5,
		"12:5":                   5,
		"5:12":                   5,
		"3::9":                   3,
		"3:20:9":                 3,
		"7-g1AAAACheJzLYWBg":     7,
		`"7-g1AAAACheJzLYWBg"`:   7,
		"7-a:b-c":                7,
		"18446744073709551615":   math.MaxUint64,
		"99999999999999999999":   math.MaxUint64,
		"99999999999999999999:4": 4,
	} {
		got, err := parseSince(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestSinceThatIsNoSequenceIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"-1", "-", "5-", "x", "5x", "1.5", "1e3", "+5", " 5", ":", "::", "5:", ":5", "5::", "::5", "1:2:3:4", "1::2:3",
		`"`, `""5""`, `"5`, `"\"5\""`, "[5]", "{}", "null", "NOW", "0x10", "٣", "5\x00",
	} {
		_, err := parseSince(text)
		require.Error(t, err, "%q", text)
		require.Equal(t, 400, asAnswer(err).status, text)
	}
}

func FuzzSince(f *testing.F) {
	for _, seed := range []string{"", "0", "5", "12:5", "3::9", "3:20:9", "7-abc", `"5"`, "-1", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		since, err := parseSince(text)
		if err != nil {
			require.Equal(t, 400, asAnswer(err).status)
			return
		}
		again, err := parseSince(strconv.FormatUint(since, 10))
		require.NoError(t, err)
		require.Equal(t, since, again)
	})
}
