package jsondoc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCheckAcceptsWhatRFC8259Allows(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`0`, `-0`, `10`, `-1.5`, `1e5`, `1E+5`, `1.25e-300`, `true`, `false`, `null`, `""`, `[]`, `{}`, " [ ] ", "\t{ }\r\n",
		`[1,[2,[3]]]`, `{"a":{"a":{"a":1}}}`, `[{"a":1},{"a":1}]`, `"\"\\\/\b\f\n\r\t\u0000\uFFFF"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`,
		"\"\u007f\"", `"é日本😀"`, "\"\uFFFD\"", `{"A":1,"a":2}`, `"` + strings.Repeat("x", 100) + `"`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	} {
		require.NoError(t, Check([]byte(text)), "%q", text)
	}
}

func TestDecision26_CheckRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		err        error
		at         int
	}{
		{"nothing", ``, ErrSyntax, 0},
		{"white space", "  ", ErrSyntax, 2},
		{"byte order mark", "\xef\xbb\xbf{}", ErrSyntax, 0},
		{"other white space", "\u00a01", ErrSyntax, 0},
		{"two values", `1 2`, ErrSyntax, 2},
		{"trailing junk", `{}x`, ErrSyntax, 2},
		{"NUL behind", "{}\x00", ErrSyntax, 2},
		{"NaN", `NaN`, ErrSyntax, 0},
		{"Infinity", `-Infinity`, ErrSyntax, 1},
		{"word cut short", `tru`, ErrSyntax, 0},
		{"word in capitals", `True`, ErrSyntax, 0},
		{"leading zero", `[01]`, ErrSyntax, 1},
		{"leading zero behind minus", `-00`, ErrSyntax, 0},
		{"plus", `+1`, ErrSyntax, 0},
		{"point first", `.5`, ErrSyntax, 0},
		{"point last", `1.`, ErrSyntax, 2},
		{"empty exponent", `1e`, ErrSyntax, 2},
		{"empty signed exponent", `1e+`, ErrSyntax, 3},
		{"hexadecimal", `0x10`, ErrSyntax, 1},
		{"lone minus", `-`, ErrSyntax, 1},
		{"array without end", `[1`, ErrSyntax, 2},
		{"comma at the end of an array", `[1,]`, ErrSyntax, 3},
		{"comma at the end of an object", `{"a":1,}`, ErrSyntax, 7},
		{"comma first", `[,1]`, ErrSyntax, 1},
		{"no comma", `[1 2]`, ErrSyntax, 3},
		{"wrong bracket", `[1}`, ErrSyntax, 2},
		{"wrong brace", `{"a":1]`, ErrSyntax, 6},
		{"name without quotes", `{a:1}`, ErrSyntax, 1},
		{"single quotes", `{'a':1}`, ErrSyntax, 1},
		{"no colon", `{"a" 1}`, ErrSyntax, 5},
		{"no value", `{"a":}`, ErrSyntax, 5},
		{"object cut after name", `{"a"`, ErrSyntax, 4},
		{"object cut after comma", `{"a":1,`, ErrSyntax, 7},
		{"comment", `/**/1`, ErrSyntax, 0},
		{"string without end", `"abc`, ErrSyntax, 4},
		{"string cut in an escape", `"abc\`, ErrSyntax, 4},
		{"unknown escape", `"a\x41"`, ErrSyntax, 2},
		{"short escape", `"\u12"`, ErrSyntax, 1},
		{"escape with a sign", `"\u+123"`, ErrSyntax, 1},
		{"newline in a string", "\"a\nb\"", ErrSyntax, 2},
		{"control far into a string", "\"0123456789abcdef\x1f\"", ErrSyntax, 17},
		{"lone continuation", "\"a\x80\"", ErrUTF8, 2},
		{"overlong", "\"\xc0\xaf\"", ErrUTF8, 1},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", ErrUTF8, 1},
		{"above Unicode", "\"\xf5\x80\x80\x80\"", ErrUTF8, 1},
		{"UTF-8 cut short", "\"\xe6\x97\"", ErrUTF8, 1},
		{"UTF-8 in a name", "{\"\xff\":1}", ErrUTF8, 2},
		{"lone high surrogate", `"\ud800"`, ErrUTF8, 1},
		{"lone low surrogate", `"\uDC00"`, ErrUTF8, 1},
		{"surrogates the wrong way round", `"\ude00\ud83d"`, ErrUTF8, 1},
		{"high surrogate before another character", `"\ud83d\u0041"`, ErrUTF8, 1},
		{"duplicate", `{"a":1,"b":2,"a":3}`, ErrDuplicate, 13},
		{"duplicate deep down", `[{"x":[{"a":1,"a":1}]}]`, ErrDuplicate, 14},
		{"duplicate by an escape", `{"a":1,"\u0061":2}`, ErrDuplicate, 7},
		{"duplicate by another escape", `{"\u00e9":1,"é":2}`, ErrDuplicate, 12},
		{"duplicate by a pair", `{"😀":1,"\ud83d\ude00":2}`, ErrDuplicate, 10},
		{"duplicate empty name", `{"":1,"":2}`, ErrDuplicate, 6},
		{"duplicate behind an inner object", `{"a":{"b":1},"b":1,"a":2}`, ErrDuplicate, 19},
		{"too deep arrays", strings.Repeat("[", MaxDepth+1), ErrDepth, MaxDepth},
		{"too deep objects", strings.Repeat(`{"a":`, MaxDepth+1), ErrDepth, 5 * MaxDepth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := Check([]byte(c.text))
			require.ErrorIs(t, err, c.err)
			require.Contains(t, err.Error()+":", fmt.Sprintf("at byte %d:", c.at))
		})
	}
}

func TestErrorsQuoteNoInput(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"secret":1,"secret":2}`, `secret`, `{secret:1}`, "\"secret\xff\"", `{"secret":"secret`, `{"a":1} secret`, `"\secret"`,
	} {
		err := Check([]byte(text))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestDuplicatesAreFoundInObjectsOfAllSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, wideObject - 1, wideObject, wideObject + 1, fewNames, fewNames + 1, 100, 3000} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(`"n%d":1`, i)
		}
		distinct := strings.Join(names, ",")
		require.NoError(t, Check([]byte("{"+distinct+"}")), n)
		// Wide objects inside and behind one another, so that tables are used again.
		require.NoError(t, Check([]byte("[{"+distinct+`,"x":{`+distinct+"}},{"+distinct+"}]")), n)
		for _, i := range []int{0, n / 2, n - 1} {
			again := fmt.Sprintf(`"\u006e%d":2`, i)
			require.ErrorIs(t, Check([]byte("{"+distinct+","+again+"}")), ErrDuplicate, "%d of %d", i, n)
			require.ErrorIs(t, Check([]byte("{"+distinct+`,"x":{`+distinct+","+again+"}}")), ErrDuplicate, "%d of %d", i, n)
		}
	}
}

func TestNamesAreNotKeptInAnyNumber(t *testing.T) {
	t.Parallel()
	s := scanner{text: []byte(`{"a":1}`)}
	s.names.count = MaxMembers
	object := s.object()
	_, err := s.add(&object, 1, text{end: 4})
	require.ErrorIs(t, err, ErrMembers)
	require.ErrorContains(t, err, "too many members at byte 1")
}

// TestHostileDocumentsTakeLinearTime bounds what a client can make the scanner do: the
// time is far above what is needed, and far below what quadratic work takes.
func TestHostileDocumentsTakeLinearTime(t *testing.T) {
	t.Parallel()
	var wide, many strings.Builder
	for i := range 150_000 {
		fmt.Fprintf(&wide, `"\u006e%d":1,`, i)
	}
	small := make([]string, wideObject+1)
	for i := range small {
		small[i] = fmt.Sprintf(`"%d":1`, i)
	}
	object := "{" + strings.Join(small, ",") + "}"
	for range 10_000 {
		many.WriteString("," + object)
	}
	text := []byte(`[{` + wide.String() + `"last":1}` + many.String() + `]`)
	begin := time.Now()
	require.NoError(t, Check(text))
	require.Less(t, time.Since(begin), 20*time.Second)
}
