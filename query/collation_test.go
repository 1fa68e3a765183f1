package query

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

func TestTypesAreInCouchDBsOrder(t *testing.T) {
	t.Parallel()
	// https://docs.couchdb.org/en/stable/ddocs/views/collation.html
	sorted := []string{
		`null`, `false`, `true`, `1`, `2`, `3.0`, `4`, `"a"`, `"A"`, `"aa"`, `"b"`, `"B"`, `"ba"`, `"bb"`, `[]`, `["a"]`, `["b"]`, `["b","c"]`,
		`["b","c", "a"]`, `["b","d"]`, `["b","d", "e"]`, `{}`, `{"a":1}`, `{"a":2}`, `{"b":1}`, `{"b":2}`, `{"b":2, "a":1}`, `{"b":2, "c":2}`,
	}
	c := NewCollation()
	for i, a := range sorted {
		for j, b := range sorted {
			require.Equal(t, min(max(i-j, -1), 1), c.Compare([]byte(a), []byte(b)), "%s %s", a, b)
		}
	}
}

func TestStringsAreInICUsOrder(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/icu-order.txt")
	require.NoError(t, err)
	defer file.Close()
	c := NewCollation()
	var before []string
	lines := bufio.NewScanner(file)
	n := 0
	for ; lines.Scan(); n++ {
		var equal []string
		require.NoError(t, json.Unmarshal(lines.Bytes(), &equal))
		for _, s := range equal {
			require.Zero(t, c.Compare([]byte(quote(equal[0])), []byte(quote(s))), "%+q %+q", equal[0], s)
			for _, less := range before {
				require.Equal(t, -1, c.Compare([]byte(quote(less)), []byte(quote(s))), "%+q %+q", less, s)
				require.Equal(t, 1, c.Compare([]byte(quote(s)), []byte(quote(less))), "%+q %+q", s, less)
			}
		}
		before = equal
	}
	require.NoError(t, lines.Err())
	require.Greater(t, n, 900)
}

// The quick way for ASCII must never say something else than the collator.
func TestASCIIIsComparedAsTheCollatorDoes(t *testing.T) {
	t.Parallel()
	collator := collate.New(language.Und)
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"", "a", "A", "b", "B", "l", "L", "·", "-", " ", "_", "1", "\u0301", "\u0001", "\t", "z", "~", "$", "é"}
	for a := ' '; a <= '~'; a++ {
		for b := ' '; b <= '~'; b++ {
			requireASCII(t, collator, string(a), string(b))
			requireASCII(t, collator, "x"+string(a)+"y", "x"+string(b))
		}
	}
	for range 50_000 {
		var a, b strings.Builder
		for range random.IntN(5) {
			same := alphabet[random.IntN(len(alphabet))]
			a.WriteString(same)
			b.WriteString(same)
		}
		for range random.IntN(3) {
			a.WriteString(alphabet[random.IntN(len(alphabet))])
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		requireASCII(t, collator, a.String(), b.String())
	}
}

func requireASCII(t *testing.T, collator *collate.Collator, a, b string) {
	t.Helper()
	if order, ok := compareASCII([]byte(a), []byte(b)); ok {
		require.Equal(t, collator.CompareString(a, b), order, "%+q %+q", a, b)
	}
}

func BenchmarkCompareStrings(b *testing.B) {
	c := NewCollation()
	for name, pair := range map[string][2]string{
		"ascii":     {`"2026-11-26T10:30:00Z"`, `"2026-11-26T10:31:00Z"`},
		"collator":  {`"Müller, Jürgen"`, `"Müller, Jörg"`},
		"same":      {`"Müller, Jürgen"`, `"Müller, Jürgen"`},
		"different": {`"abc"`, `"xyz"`},
	} {
		b.Run(name, func(b *testing.B) {
			x, y := []byte(pair[0]), []byte(pair[1])
			for b.Loop() {
				c.Compare(x, y)
			}
		})
	}
}
