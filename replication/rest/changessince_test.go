package rest

import (
	"math"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDecision34_SinceTakesTheFormsOfCursors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]syncstore.Cursor{
		"":                       {},
		`""`:                     {},
		"0":                      {},
		"5":                      {Seq: 5},
		"007":                    {Seq: 7},
		`"5"`:                    {Seq: 5},
		"12:5":                   {Event: 12, Seq: 5},
		`"12:5"`:                 {Event: 12, Seq: 5},
		"3::9":                   {Seq: 3},
		"3:20:9":                 {Seq: 3},
		"7-g1AAAACheJzLYWBg":     {Seq: 7},
		`"7-g1AAAACheJzLYWBg"`:   {Seq: 7},
		"7-a:b-c":                {Seq: 7},
		"18446744073709551615":   {Seq: math.MaxUint64},
		"99999999999999999999":   {Seq: math.MaxUint64},
		"99999999999999999999:4": {Event: math.MaxUint64, Seq: 4},
	} {
		got, err := parseSince(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.at, text)
	}
}

func TestSinceThatIsNoSequenceIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"-1", "-", "5-", "x", "5x", "1.5", "1e3", "+5", " 5", ":", "::", "5:", ":5", "5::", "::5", "1:2:3:4", "1::2:3",
		`"`, "5:5-x", "-5", `""5""`, `"5`, `"\"5\""`, "[5]", "{}", "null", "NOW", "0x10", "٣", "5\x00",
	} {
		_, err := parseSince(text)
		require.Error(t, err, "%q", text)
		answer := asAnswer(err)
		require.Equal(t, 400, answer.status, text)
		require.True(t, strings.HasPrefix(answer.reason, "Invalid sequence: \""), answer.reason)
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
		again, err := parseSince(since.at.String())
		require.NoError(t, err)
		require.Equal(t, since.at, again.at)
	})
}
