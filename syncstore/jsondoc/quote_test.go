package jsondoc

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestAStringIsWrittenAsShortAsCanBe(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                       `""`,
		"plain <&> ä € 😀":        `"plain <&> ä € 😀"`,
		"a\"b\\c/":               `"a\"b\\c/"`,
		"\b\f\n\r\t\x00\x1f\x7f": `"\b\f\n\r\t\u0000\u001f` + "\x7f\"",
		"\u2028":                 "\"\u2028\"",
		"a\xffb\xe2\x82":         "\"a\uFFFDb\uFFFD\uFFFD\"",
		"\uFFFD":                 "\"\uFFFD\"",
	} {
		require.Equal(t, want, string(AppendString(nil, s)))
		require.Equal(t, "x"+want, string(AppendString([]byte("x"), []byte(s))))
	}
}

func FuzzAStringIsReadAsItWasWritten(f *testing.F) {
	f.Add("a\"\\\b\f\n\r\t\x00ä😀\xff")
	f.Fuzz(func(t *testing.T, s string) {
		text := AppendString(nil, s)
		var read string
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, string([]rune(s)), read)
		ours, err := String(text)
		require.NoError(t, err)
		require.Equal(t, read, ours)
		require.True(t, utf8.Valid(text))
	})
}
