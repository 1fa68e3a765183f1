package query

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"pgregory.net/rapid"
)

// hardLetters are characters of which some have another place in the order beside a neighbour, or change
// places with it.
var hardLetters = []rune("aAbz19 _-lL\u00b7\u0387éß漢한😀\ufff0\ufffd\x00" +
	"\u0300\u0301\u0308\u0327\u0323\u0344\u0345\u0f73\u0f81\u034f\u0363\u0338\u093c\u094d\u0e38" + // marks
	"\u0418\u0438\u0306\u0474\u030f\u0627\u0653\u0654" +
	"\u09c7\u09be\u09d7\u0b47\u0b3e\u0b56\u0b57\u0b92\u0bd7\u0bc6\u0bc7\u0bbe\u0cbf\u0cd5\u0cc6\u0cc2\u0cca\u0cd6\u0d46\u0d47\u0d3e\u0d57\u0dd9\u0dcf\u0dca\u0ddf" +
	"\u0e40\u0e44\u0e01\u0e2e\u0e4d\u0e32\u0ec0\u0ec4\u0e81\u0edf\u0ecd\u0eb2\u0f71\u0f72\u0fb2\u0fb3\u0f80" +
	"\u1025\u102e\u1b05\u1b35\u1b11\u1b42\u1100\u1161\u11a8\uaab5\uaabc\uaa80\uaaaf\U00011131\U00011127\ufb01\u1d15e")

func hardText(least, most int) *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(hardLetters), least, most, -1), rapid.StringN(least, most, -1))
}

// The levels of a text's pieces, one after the other, are those of the text.
func TestATextIsCollatedInPieces(t *testing.T) {
	t.Parallel()
	collator, buffer := collate.New(language.Und), collate.Buffer{}
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(hardText(0, 12).Draw(t, "text"))
		least := rapid.IntRange(1, 8).Draw(t, "least")
		buffer.Reset()
		want := bytes.Clone(collator.Key(&buffer, text))
		var levels keyLevels
		for rest := text; len(rest) > 0; {
			end := pieceEnd(rest, least)
			buffer.Reset()
			levels.add(collator.Key(&buffer, rest[:end]), 1000)
			if rest = rest[end:]; len(rest) > 0 {
				cut++
			}
		}
		if len(text) > 0 {
			require.Equal(t, want, levels.key(), "%+q by %d", text, least)
		}
	})
	require.Positive(t, cut)
}

// No character that has a place of its own together with the one before it is parted from that.
func TestNeighboursThatContractAreNotParted(t *testing.T) {
	t.Parallel()
	collator, buffer := collate.New(language.Und), collate.Buffer{}
	keyOf := func(text string) keyLevels {
		var levels keyLevels
		buffer.Reset()
		levels.add(collator.Key(&buffer, []byte(text)), 1000)
		return levels
	}
	for _, a := range hardLetters {
		for _, b := range hardLetters {
			both := string(a) + string(b)
			if len(both) == pieceEnd([]byte(both), 1) {
				continue
			}
			levels, alone := keyOf(string(a)), keyOf(string(b))
			for n := range levels {
				levels[n] = append(levels[n], alone[n]...)
			}
			got := keyOf(both)
			require.Equal(t, got.key(), levels.key(), "%+q", both)
		}
	}
}

// The beginning of a key is the key's, whether the value is short or long.
func TestTheBeginningOfAKeyIsThatOfTheWholeKey(t *testing.T) {
	t.Parallel()
	c := NewCollation()
	rapid.Check(t, func(t *rapid.T) {
		text := hardText(1, 40).Draw(t, "text")
		part := hardText(0, 30).Draw(t, "part")
		text = strings.Repeat(text, rapid.IntRange(0, 400).Draw(t, "times")) + part + strings.Repeat(text, rapid.IntRange(0, 400).Draw(t, "times again"))
		value, err := json.Marshal(rapid.SampledFrom([]any{text, []string{"a", text, text}, map[string]string{text: text}}).Draw(t, "value"))
		require.NoError(t, err)
		want := c.AppendSortKey(nil, value)
		for _, most := range []int{0, 1, 100, len(want) - 1, len(want), len(want) + 1, 2 << 10, 8 << 10, 64 << 10} {
			got, whole := c.AppendSortKeyUpTo([]byte("before"), value, most)
			require.Equal(t, len(want) <= most, whole, most)
			if !bytes.Equal(got[len("before"):], want[:min(most, len(want))]) {
				require.Equal(t, want[:min(most, len(want))], got[len("before"):], "%d bytes", most)
			}
		}
	})
}

// What a user writes is of up to 20 MiB, and its key in an index of 8 KiB.
//
//nolint:paralleltest // memory is measured
func TestTheBeginningOfALongTextsKeyCostsLittle(t *testing.T) {
	c := NewCollation()
	for _, letter := range []string{"a", "é", "l", "\u0e40\u0e01", "\u00b7", "\u200b", "\ufe0f"} {
		value := []byte(`"` + strings.Repeat(letter, (2<<20)/len(letter)) + `"`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		key, _ := c.AppendSortKeyUpTo(nil, value, 8<<10)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, len(key), 8<<10)
		require.Less(t, int(after.TotalAlloc-before.TotalAlloc), 4<<20, "%+q", letter)
	}
}
