package query

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// values are JSON values of every kind.
func jsonValue(depth int) *rapid.Generator[string] {
	text := rapid.OneOf(
		rapid.StringN(0, 6, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("aAbBäÄéeé ́_-1\u0000ßsz\ufff0😀")), 0, 5, -1),
	)
	quoted := rapid.Map(text, func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	})
	number := rapid.OneOf(
		rapid.SampledFrom([]string{
			"0", "-0", "0.0", "1", "1.0", "10e-1", "-1", "0.1", "1e100", "1e101", "1e-100", "1e-102", "-1e300", "-1e-300",
			"12345678901234567890", "12345678901234567891", "9007199254740993", "100", "1e2", "99.99999", "-100", "-99", "1E400",
		}),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,4})([.][0-9]{1,3})?(e-?[0-9]{1,3})?`),
	)
	options := []*rapid.Generator[string]{rapid.SampledFrom([]string{"null", "false", "true"}), number, quoted}
	if depth > 0 {
		inner := jsonValue(depth - 1)
		options = append(options,
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(all []string) string {
				text := "["
				for i, v := range all {
					if i > 0 {
						text += ", "
					}
					text += v
				}
				return text + "]"
			}),
			rapid.Map(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
				return quoted.Draw(t, "name") + ":" + inner.Draw(t, "member")
			}), 0, 3), func(all []string) string {
				text := "{"
				for i, v := range all {
					if i > 0 {
						text += ","
					}
					text += v
				}
				return text + "}"
			}))
	}
	return rapid.OneOf(options...)
}

// Sort keys are in the order in which the collation compares.
func TestSortKeysAreInTheOrderOfTheCollation(t *testing.T) {
	t.Parallel()
	c := NewCollation()
	values := jsonValue(2)
	rapid.Check(t, func(t *rapid.T) {
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		p, q := c.AppendSortKey(nil, []byte(a)), c.AppendSortKey(nil, []byte(b))
		require.Equal(t, c.Compare([]byte(a), []byte(b)), bytes.Compare(p, q), "%s and %s: %x %x", a, b, p, q)
		if !bytes.Equal(p, q) {
			require.False(t, bytes.HasPrefix(p, q) || bytes.HasPrefix(q, p), "%s and %s", a, b)
		}
	})
}

func TestSortKeysOfTextsThatWereFoundToBeHard(t *testing.T) {
	t.Parallel()
	c := NewCollation()
	texts := []string{
		``, ` `, `_`, `-`, `a`, `A`, `aa`, `aA`, `Aa`, `AA`, `ab`, `á`, `b`, `B`, `ä`, `z`, `ß`, `ss`, `1`, `2`, `10`, "\ufff0", "a\ufff0", "漢", "😀",
		`foo`, `foo `, `foo-bar`, `foobar`, `Foo`, "e\u0301", "é", "a\x00b", "\x00",
	}
	for _, a := range texts {
		for _, b := range texts {
			p, err := json.Marshal(a)
			require.NoError(t, err)
			q, err := json.Marshal(b)
			require.NoError(t, err)
			require.Equal(t, c.Compare(p, q), bytes.Compare(c.AppendSortKey(nil, p), c.AppendSortKey(nil, q)), "%q and %q", a, b)
		}
	}
}
