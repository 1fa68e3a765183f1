package lite

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	sourceA = "AAECAwQFBgcICQoLDA0ODw"
	sourceB = "DwECAwQFBgcICQoLDA0ODw"
	sourceC = "CQECAwQFBgcICQoLDA0ODw"
)

func TestVectorsAreWrittenAsTheyWereRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ history, text string }{
		{"", "30000000000@" + sourceA},
		{"20000000000@" + sourceB, "30000000000@" + sourceA + "; 20000000000@" + sourceB},
		{
			"20000000000@" + sourceB + ", 20000000001@" + sourceC + ";",
			"30000000000@" + sourceA + ", 20000000000@" + sourceB + ", 20000000001@" + sourceC + ";",
		},
		{
			"20000000000@" + sourceA + ", 20000000001@" + sourceC + "; 20000000000@" + sourceB + ", 1-00112233445566778899aabbccddeeff",
			"30000000000@" + sourceA + ", 20000000000@" + sourceA + ", 20000000001@" + sourceC + "; 20000000000@" + sourceB + ", 1-00112233445566778899aabbccddeeff",
		},
	} {
		v, err := parseVector("30000000000@"+sourceA, test.history)
		require.NoError(t, err)
		require.Equal(t, test.history, v.history())
		require.Equal(t, test.text, v.text())
	}
	for _, bad := range []string{"x", "20000000000@" + sourceA, "a@" + sourceB + ",b@" + sourceB, ";;"} {
		_, err := parseVector("30000000000@"+sourceA, bad)
		require.Error(t, err, bad)
	}
}

func TestVectorsRememberWhatCameBefore(t *testing.T) {
	t.Parallel()
	a, b, c := stamp{1 << 41, sourceA}, stamp{1 << 42, sourceB}, stamp{1 << 43, sourceC}
	var v vector
	v = v.next(a)
	require.Empty(t, v.history())
	v = v.next(b)
	require.True(t, v.covers(a))
	require.False(t, v.covers(c))
	other := (&vector{}).next(a)
	other = other.next(c)
	m := other.merge(stamp{1 << 44, sourceC}, &v)
	require.Equal(t, []stamp{c, b}, m.mv)
	require.Equal(t, []stamp{a}, m.pv)
	require.True(t, m.covers(b))
	n := m.next(stamp{1 << 45, sourceA})
	require.Empty(t, n.mv)
	require.ElementsMatch(t, []stamp{{1 << 44, sourceC}, b}, n.pv)
}

func TestRevisionsAreNamedByWhatIsInThem(t *testing.T) {
	t.Parallel()
	first := newRevID("", false, []byte(`{}`))
	require.NoError(t, checkRevID(first))
	require.Equal(t, first, newRevID("", false, []byte(`{}`)))
	require.NotEqual(t, first, newRevID("", true, []byte(`{}`)))
	second := newRevID(first, false, []byte(`{}`))
	require.Equal(t, 2, generation(second))
	for _, bad := range []string{"", "1", "1-abc", "0-" + first[2:], "1-" + first[3:], "x-" + first[2:], first + "00"} {
		require.Error(t, checkRevID(bad), bad)
	}
}

func TestSequencesOfAnEventComeBeforeItsOwn(t *testing.T) {
	t.Parallel()
	ordered := []string{`1`, `4`, `"5:1"`, `"5:3"`, `5`, `"5::6"`, `7`, `"1:8:2"`, `"8:3"`, `8`}
	for i := range ordered {
		for j := range ordered {
			e1, s1, err := parseSeq(ordered[i])
			require.NoError(t, err)
			e2, s2, err := parseSeq(ordered[j])
			require.NoError(t, err)
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			require.Equal(t, want, compareSeq(e1, s1, e2, s2), "%s, %s", ordered[i], ordered[j])
		}
	}
}

// The default of 2.x and 3.x: a tombstone, then the higher generation, then the digest.
func TestConflictsOfTreesAreResolvedAsCouchbaseLiteDoes(t *testing.T) {
	t.Parallel()
	c := NewDevice(t, V32).Collection(DefaultCollection)
	c.Put("a", `{"n":1}`)
	c.Put("a", `{"n":2}`)
	require.False(t, c.insert(&incoming{id: "a", rev: "1-ffffffffffffffffffffffffffffffff", body: object{}}))
	doc, _ := c.Get("a")
	require.Equal(t, `{"n":2}`, doc.Body, "the higher generation")
	require.Equal(t, 2, generation(doc.Rev), "as a child of the server's")
	require.True(t, c.Pending())
	c.insert(&incoming{id: "a", rev: "9-ffffffffffffffffffffffffffffffff", body: object{}})
	require.False(t, c.Pending(), "the server's wins")
	c.Put("b", `{}`)
	c.insert(&incoming{id: "b", rev: "1-ffffffffffffffffffffffffffffffff", deleted: true, body: object{}})
	doc, _ = c.Get("b")
	require.True(t, doc.Deleted)
}
