package auth

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func basicCredentials(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestBasicCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, name, password string }{
		{"alice:password", "alice", "password"},
		{"alice:", "alice", ""},
		{"alice:pass:word:", "alice", "pass:word:"},
		{"alice: pass word ", "alice", " pass word "},
		{" alice :x", " alice ", "x"},
		{"日本語:naïve🔑", "日本語", "naïve🔑"},
		// RFC 7617 section 2.1's example.
		{"test:123£", "test", "123£"},
		// F90: names that are odd and good.
		{"foo#bar:x", "foo#bar", "x"}, {"foo?bar:x", "foo?bar", "x"}, {"$foo$bar:x", "$foo$bar", "x"}, {"_sync-foobar:x", "_sync-foobar", "x"},
		{strings.Repeat("n", maxUserName) + ":" + strings.Repeat("p", maxPassword), strings.Repeat("n", maxUserName), strings.Repeat("p", maxPassword)},
	} {
		name, password, err := readBasic(basicCredentials(c.text))
		require.NoError(t, err, c.text)
		require.Equal(t, c.name, name)
		require.Equal(t, c.password, password)
	}
}

// An empty name is nobody, whatever the password.
func TestDecision39_EmptyBasicIsNoCredentials(t *testing.T) {
	t.Parallel()
	for _, none := range []string{"", basicCredentials(":"), basicCredentials(":password"), basicCredentials(":\xff\x00")} {
		name, password, err := readBasic(none)
		require.NoError(t, err)
		require.Empty(t, name)
		require.Empty(t, password)
	}
}

// Header smuggling in names: two readers of a header must not see two names in it.
func TestAttackHeaderSmugglingInNames(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		// Control characters (RFC 7617 section 2).
		basicCredentials("alice\r\nX-Admin: 1:password"), basicCredentials("alice\n:password"), basicCredentials("alice\x00bob:password"),
		basicCredentials("alice\x7f:password"), basicCredentials("alice\u0085:password"), basicCredentials("\x00:password"),
		basicCredentials("alice:pass\r\nword"), basicCredentials("alice:password\x00"), basicCredentials("alice\t:password"),
		// Not UTF-8: an overlong slash, a lone surrogate, Latin-1.
		basicCredentials("alice\xc0\xaf:password"), basicCredentials("alice\xed\xa0\x80:password"), basicCredentials("na\xefve:password"),
		// No colon.
		basicCredentials("alice"),
		// Other spellings of the same bytes: line ends, spaces, no padding, bits after the
		// end, more padding, base64url, two in one.
		"YWxpY2U6cGFzc3dvcmQ=\n", "YWxpY2U6\r\ncGFzc3dvcmQ=", "YWxpY2U6 cGFzc3dvcmQ=", "YWxpY2U6cGFzc3dvcmQ", "YWxpY2U6cGFzc3dvcmR=",
		"YWxpY2U6cGFzc3dvcmQ==", "YTpfXz8_", "YWxpY2U6cGFzc3dvcmQ=,YWxpY2U6cGFzc3dvcmQ=", "YWxpY2U6cGFzc3dvcmQ=YWxpY2U6cGFzc3dvcmQ=",
		"!!!", "alice:password",
		strings.Repeat("YWxpY2U6", 1000),
	} {
		name, password, err := readBasic(bad)
		require.ErrorIs(t, err, errBadBasic, bad)
		require.Empty(t, name)
		require.Empty(t, password)
	}
	// A look-alike is another name.
	name, _, err := readBasic(basicCredentials("аlice:x")) // Cyrillic а
	require.NoError(t, err)
	require.NotEqual(t, "alice", name)
}

func FuzzBasic(f *testing.F) {
	for _, s := range []string{"", "Og==", "YWxpY2U6cGFzc3dvcmQ=", "YWxpY2U6\ncGFzc3dvcmQ=", "YWxpY2U", "//8=", basicCredentials("a\x00:b")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		name, password, err := readBasic(encoded)
		if err != nil || name == "" {
			require.Empty(t, name)
			require.Empty(t, password)
			return
		}
		require.Equal(t, encoded, basicCredentials(name+":"+password), "there is one spelling")
		require.NotContains(t, name, ":")
		require.True(t, utf8.ValidString(name+password))
		require.False(t, strings.ContainsFunc(name+password, unicode.IsControl))
		require.Equal(t, schemeBasic, func() scheme {
			kind, _, refusal := readAuthorization(map[string][]string{"Authorization": {"Basic " + encoded}})
			require.Nil(t, refusal)
			return kind
		}())
	})
}
