package syncstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The texts are those of blip-observed.md, and of reference/blip.md 5.4.
const (
	sourceA = "UI154sPAT+GNjAKK6RxxmA"
	sourceB = "D6B4S/ZRSXWm9LSx55aFlw"
	sourceC = "b/9NKGcJTHew4JfFftuNPA"
)

func version(t *testing.T, text string) Version {
	t.Helper()
	v, err := ParseVersion(text)
	require.NoError(t, err, text)
	return v
}

// reference/blip.md 8.1 row 96.
func TestVersionsAreHexTimesAndSources(t *testing.T) {
	t.Parallel()
	v := version(t, "18eab9b5d68f0001@"+sourceA)
	require.Equal(t, uint64(0x18eab9b5d68f0001), v.Time)
	require.Equal(t, "18eab9b5d68f0001@"+sourceA, v.String())
	require.Equal(t, v, version(t, "18EAB9B5D68F0001@"+sourceA))
	require.Equal(t, uint64(0x1010000000000), version(t, "01010000000000@"+sourceA).Time, "hex, not decimal")
	for n := uint64(0xa0); n <= 0xff; n++ {
		text := fmt.Sprintf("%x0000000000@%s", n, sourceB)
		require.Equal(t, text, version(t, text).String())
	}
	require.Equal(t, "Revision+Tree+Encoding", treeSource.String())
}

func TestWhatIsNoVersionIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":                          "",
		"no source":                        "18eab9b5d68f0001",
		"an empty source":                  "18eab9b5d68f0001@",
		"me":                               "18eab9b5d68f0001@*",
		"no time":                          "@" + sourceA,
		"a prefix of hex":                  "0x18eab9b5d68f0001@" + sourceA,
		"a sign":                           "+18eab9b5d68f001@" + sourceA,
		"a letter past f":                  "18eab9b5d68f000g@" + sourceA,
		"17 digits":                        "018eab9b5d68f0001@" + sourceA,
		"a time of 2^63":                   "8000000000000000@" + sourceA,
		"a time before the clients' range": "ffffffffff@" + sourceA,
		"padding":                          "18eab9b5d68f0001@" + sourceA[:20] + "==",
		"21 characters":                    "18eab9b5d68f0001@" + sourceA[:21],
		"23 characters":                    "18eab9b5d68f0001@" + sourceA + "A",
		"URL-safe base64":                  "18eab9b5d68f0001@" + strings.ReplaceAll(sourceA, "+", "-"),
		"a line break":                     "18eab9b5d68f0001@" + sourceA[:21] + "\n",
		"bits left over":                   "18eab9b5d68f0001@" + sourceA[:21] + "B",
		"source zero":                      "18eab9b5d68f0001@AAAAAAAAAAAAAAAAAAAAAA",
		"a space":                          " 18eab9b5d68f0001@" + sourceA,
		"two versions":                     "18eab9b5d68f0001@" + sourceA + "@" + sourceB,
		"a tree ID":                        "1-abc",
	} {
		_, err := ParseVersion(text)
		require.ErrorIs(t, err, ErrBadVersion, name)
	}
}

func TestVectorsAreReadAsCouchbaseLiteWritesThem(t *testing.T) {
	t.Parallel()
	a, b, c := version(t, "18eab9b5d68f0001@"+sourceA), version(t, "18eab9b5d68f0002@"+sourceB),
		version(t, "18eab9b5d68f0003@"+sourceC)
	before := version(t, "18eab9b5d68e0000@"+sourceA)
	none := []Rev(nil)
	for _, x := range []struct {
		text   string
		vector Vector
		legacy []Rev
		again  string // if another text
	}{
		{a.String(), Vector{Current: a}, none, ""},
		{"A;B", Vector{Current: a, Previous: []Version{b}}, none, ""},
		{"A;B,C", Vector{Current: a, Previous: []Version{b, c}}, none, ""},
		{"A; B, C", Vector{Current: a, Previous: []Version{b, c}}, none, "A;B,C"},
		{"A,B,C;", Vector{Current: a, Merged: []Version{b, c}}, none, ""},
		{"A, B, C;", Vector{Current: a, Merged: []Version{b, c}}, none, "A,B,C;"},
		{"A,B,C", Vector{Current: a, Merged: []Version{b, c}}, none, "A,B,C;"},
		{"A,X,B;C", Vector{Current: a, Merged: []Version{before, b}, Previous: []Version{c}}, none, ""},
		{"A;", Vector{Current: a}, none, "A"},
		{"A;1-abc", Vector{Current: a}, []Rev{{1, "abc"}}, "A"},
		{"A;B,2-abc,1-def", Vector{Current: a, Previous: []Version{b}}, []Rev{{2, "abc"}, {1, "def"}}, "A;B"},
		{"A,B,C; 1-abc", Vector{Current: a, Merged: []Version{b, c}}, []Rev{{1, "abc"}}, "A,B,C;"},
	} {
		expand := strings.NewReplacer("A", a.String(), "B", b.String(), "C", c.String(), "X", before.String())
		if !strings.Contains(x.text, "@") {
			x.text = expand.Replace(x.text)
		}
		v, legacy, err := ParseVector(x.text)
		require.NoError(t, err, x.text)
		require.Equal(t, x.vector, v, x.text)
		require.Equal(t, x.legacy, legacy, x.text)
		if x.again = expand.Replace(x.again); x.again == "" {
			x.again = x.text
		}
		require.Equal(t, x.again, string(v.Append(nil)))

		// "rev" and "history" of reference/blip.md 5.5 are the same in two parts.
		again, _, err := ParseRevision(v.Current.String(), string(v.AppendHistory(nil)))
		require.NoError(t, err)
		require.Equal(t, v, again)
	}
	require.Empty(t, Vector{}.Append(nil))
}

func TestHistoriesHaveWhatWasMergedBeforeTheRest(t *testing.T) {
	t.Parallel()
	a, b, c := version(t, "18eab9b5d68f0001@"+sourceA), version(t, "18eab9b5d68f0002@"+sourceB),
		version(t, "18eab9b5d68f0003@"+sourceC)
	history := func(v Vector) string { return string(v.AppendHistory(nil)) }
	require.Empty(t, history(Vector{Current: a}))
	require.Equal(t, b.String()+","+c.String(), history(Vector{Current: a, Previous: []Version{b, c}}))
	require.Equal(t, b.String()+","+c.String()+";", history(Vector{Current: a, Merged: []Version{b, c}}))
	require.Equal(t, b.String()+";"+c.String(), history(Vector{Current: a, Merged: []Version{b}, Previous: []Version{c}}))

	v, legacy, err := ParseRevision(a.String(), "2-abc,1-def")
	require.NoError(t, err)
	require.Equal(t, Vector{Current: a}, v)
	require.Equal(t, []Rev{{2, "abc"}, {1, "def"}}, legacy)
	v, legacy, err = ParseRevision(a.String(), b.String()+", "+c.String()+";2-abc")
	require.NoError(t, err)
	require.Equal(t, Vector{Current: a, Merged: []Version{b, c}}, v)
	require.Equal(t, []Rev{{2, "abc"}}, legacy)
}

func TestWhatIsNoVectorIsRefused(t *testing.T) {
	t.Parallel()
	expand := strings.NewReplacer("A", "18eab9b5d68f0001@"+sourceA, "B", "18eab9b5d68f0002@"+sourceB,
		"Y", "18eab9b5d68f0009@"+sourceA)
	for name, text := range map[string]string{
		"nothing":                                    "",
		"no current version":                         ";B",
		"two dividers":                               "A;B;",
		"an empty entry":                             "A,,B;",
		"a comma at the end":                         "A;B,",
		"a tree ID alone":                            "1-abc",
		"a tree ID among what was merged":            "A,1-abc;B",
		"a version behind a tree ID":                 "A;1-abc,B",
		"a tree ID that is none":                     "A;0-abc",
		"a source twice in the previous":             "A;B,B",
		"a source in merged and previous":            "A,B;B",
		"a source twice in merged":                   "A,B,B;",
		"the current source among the previous":      "A;A",
		"a later version of the source among merged": "A,Y;",
		"too many entries":                           "A;" + strings.Repeat("1-abc,", 999) + "1-abc",
	} {
		_, _, err := ParseVector(expand.Replace(text))
		require.ErrorIs(t, err, ErrBadVersion, name)
	}
}

// reference/blip.md 5.4: the generation, and 40 bits of the digest.
func TestTreeIDsHaveAVersion(t *testing.T) {
	t.Parallel()
	v := VersionOfRev(Rev{3, "9c2e2870b7cd62c3497431cef8f80108f1076a4d"})
	require.Equal(t, "39c2e2870b7@Revision+Tree+Encoding", v.String())
	require.Equal(t, v, version(t, v.String()))
	require.Equal(t, uint64(1<<40|0xab<<32), VersionOfRev(Rev{1, "ab"}).Time, "a short digest")
	require.Equal(t, uint64(2<<40|'X'<<32|'y'<<24), VersionOfRev(Rev{2, "Xy"}).Time, "a digest that is not hex")
	require.LessOrEqual(t, VersionOfRev(Rev{MaxGeneration, "ffffffffff"}).Time, uint64(1<<63-1))
}
