package lite

import (
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestHistoryOfTreeIDs(t *testing.T) { // row 49
	t.Parallel()
	r := func(generation int) string { return tree(generation, "a") }
	var grownTo5 []syncstore.Rev
	for g := 5; g > 0; g-- {
		grownTo5 = append(grownTo5, mustRev(t, r(g)))
	}
	for name, test := range map[string]struct {
		known []string
		most  int
		want  []string
	}{
		"all":                        {most: 50, want: []string{r(4), r(3), r(2), r(1)}},
		"up to the known one":        {known: []string{r(3)}, most: 50, want: []string{r(4), r(3)}},
		"the newest of the known":    {known: []string{r(1), r(3)}, most: 50, want: []string{r(4), r(3)}},
		"the parent is known":        {known: []string{r(4)}, most: 50, want: []string{r(4)}},
		"known is another branch":    {known: []string{tree(4, "b")}, most: 50, want: []string{r(4), r(3), r(2), r(1)}},
		"as many as the client says": {most: 2, want: []string{r(4), r(3)}},
		"none":                       {most: 0},
	} {
		history := revHistory(&syncstore.Document{Rev: grownTo5[0], History: grownTo5}, r(5), test.known, test.most)
		require.Equal(t, strings.Join(test.want, ","), string(history), name)
	}
	unfit := []syncstore.Rev{mustRev(t, r(3)), mustRev(t, r(2)), mustRev(t, "1-abc")}
	require.Equal(t, r(2), string(revHistory(&syncstore.Document{History: unfit}, r(3), nil, 50)), "the client could not read 1-abc")
	require.Empty(t, revHistory(&syncstore.Document{History: unfit[:1]}, r(3), nil, 50))
	require.Empty(t, revHistory(&syncstore.Document{}, r(3), nil, 50))
}

func TestHistoryOfVersions(t *testing.T) { // rows 57, 58, 91, 92
	t.Parallel()
	version := func(text string) syncstore.Version {
		v, err := syncstore.ParseVersion(text)
		require.NoError(t, err)
		return v
	}
	const (
		a = "18eab9b640170001@UI154sPAT+GNjAKK6RxxmA"
		b = "18eab9b5fa8f0001@D6B4S/ZRSXWm9LSx55aFlw"
		c = "18eab9b5d68f0001@b/9NKGcJTHew4JfFftuNPA"
	)
	revs := []syncstore.Rev{mustRev(t, tree(3, "a")), mustRev(t, tree(2, "a")), mustRev(t, tree(1, "a"))}
	current := syncstore.Vector{Current: version(a)}
	previous := syncstore.Vector{Current: version(a), Previous: []syncstore.Version{version(b)}}
	merged := syncstore.Vector{Current: version(a), Merged: []syncstore.Version{version(b), version(c)}}
	for name, test := range map[string]struct {
		vector syncstore.Vector
		known  []string
		want   string
	}{
		"a version alone":                          {vector: current},
		"with earlier ones":                        {vector: previous, want: b},
		"a merge":                                  {vector: merged, want: b + "," + c + ";"},
		"known by a version":                       {vector: previous, known: []string{b}, want: b},
		"the client has a tree ID":                 {vector: current, known: []string{tree(2, "a")}, want: tree(3, "a") + "," + tree(2, "a")},
		"and there are earlier versions":           {vector: previous, known: []string{tree(2, "a")}, want: b + "," + tree(3, "a") + "," + tree(2, "a")},
		"or a merge":                               {vector: merged, known: []string{tree(1, "a")}, want: b + "," + c + ";" + strings.Join([]string{tree(3, "a"), tree(2, "a"), tree(1, "a")}, ",")},
		"the tree ID is the current one":           {vector: current, known: []string{tree(3, "a")}, want: tree(3, "a")},
		"the tree ID is of another branch":         {vector: current, known: []string{tree(2, "b")}, want: strings.Join([]string{tree(3, "a"), tree(2, "a"), tree(1, "a")}, ",")},
		"what the client names is nothing":         {vector: previous, known: []string{"x", ""}, want: b},
		"a version among what is known, both kept": {vector: previous, known: []string{b, tree(3, "a")}, want: b + "," + tree(3, "a")},
	} {
		history := revHistory(&syncstore.Document{Rev: revs[0], History: revs, Vector: test.vector}, a, test.known, 50)
		require.Equal(t, test.want, string(history), name)
		_, _, err := syncstore.ParseRevision(a, string(history))
		require.NoError(t, err, name)
	}
}

func TestHistoryEndsAtWhatTheClientKnows(t *testing.T) { // row 49
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(grown(t, "a", `{}`, tree(4, "a"), tree(3, "a"), tree(2, "a"), tree(1, "a")))
	c := l.connect(protocol3)
	q, _ := c.followed()
	answer(q, `[["`+tree(2, "a")+`"]]`, "maxHistory", "50")
	require.Equal(t, tree(3, "a")+","+tree(2, "a"), c.brought().Properties.Value("history"))
	q, _ = c.followed()
	answer(q, `[[]]`, "maxHistory", "1")
	require.Equal(t, tree(3, "a"), c.brought().Properties.Value("history"))
}

func TestVersionsOfOthersComeWithTheirHistory(t *testing.T) { // rows 57, 58
	t.Parallel()
	l := newLoopback(t, nil)
	for _, text := range []string{
		"18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA", "18eab9b640990001@D6B4S/ZRSXWm9LSx55aFlw; 18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA",
		"18eab9b740990001@b/9NKGcJTHew4JfFftuNPA, 18eab9b640990001@D6B4S/ZRSXWm9LSx55aFlw, 18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA;",
	} {
		vector, _, err := syncstore.ParseVector(text)
		require.NoError(t, err)
		l.write(syncstore.Edit{ID: "a", Vector: vector})
	}
	rev := l.connect(protocol4).pull(nil, "").revs["a"]
	require.Equal(t, "18eab9b740990001@b/9NKGcJTHew4JfFftuNPA", rev.Properties.Value("rev"))
	require.Equal(t, "18eab9b640990001@D6B4S/ZRSXWm9LSx55aFlw,18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA;",
		strings.ReplaceAll(rev.Properties.Value("history"), " ", ""))

	doc, err := l.coll().Get(t.Context(), "a", syncstore.GetOptions{})
	require.NoError(t, err)
	l.edit("a", `{}`, doc.Rev.String()) // ends the merge
	rev = l.connect(protocol4).pull(nil, "").revs["a"]
	require.NotContains(t, rev.Properties.Value("history"), ";")
	require.Equal(t, 3, strings.Count(rev.Properties.Value("history"), "@"))
}
