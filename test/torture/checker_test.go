package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// past is a history that a correct server can have made: three documents, one updated,
// one with an ancestor that came with it, followed by two feeds.
type past struct {
	checker *checker
	feed    *follower // from the beginning
	late    *follower // from sequence 2
	state   state
}

func goodPast() *past {
	c := newChecker()
	p := &past{checker: c, feed: c.follow("continuous", 0), late: c.follow("longpoll", 2)}
	c.acknowledge("a", "1-a", 1)
	c.acknowledge("b", "1-b", 2)
	c.acknowledge("a", "2-a", 3)
	c.plant("c", "1-c")
	c.acknowledge("c", "2-c", 4)
	p.feed.row(row{1, "a", []string{"1-a"}})
	p.feed.row(row{2, "b", []string{"1-b"}})
	p.feed.row(row{3, "a", []string{"2-a"}})
	p.feed.row(row{4, "c", []string{"2-c"}})
	// The late feed reads when a has been updated already.
	p.late.row(row{3, "a", []string{"2-a"}})
	p.late.row(row{4, "c", []string{"2-c"}})
	p.late.reached(4)
	p.state = state{
		seq: 4,
		rows: []row{
			{2, "b", []string{"1-b"}}, {3, "a", []string{"2-a"}}, {4, "c", []string{"2-c"}},
		},
		documents: map[string]document{
			"a": tree(map[string]leaf{"2-a": {n: 3}}, "1-a"),
			"b": tree(map[string]leaf{"1-b": {n: 2}}),
			"c": tree(map[string]leaf{"2-c": {n: 4}}, "1-c"),
		},
	}
	return p
}

func tree(leaves map[string]leaf, ancestors ...string) document {
	d := document{leaves: leaves, history: map[string]struct{}{}}
	for rev := range leaves {
		d.history[rev] = struct{}{}
	}
	for _, rev := range ancestors {
		d.history[rev] = struct{}{}
	}
	return d
}

func faultsOf(c *checker) []fault {
	found, _ := c.result()
	faults := []fault{}
	for _, f := range found {
		faults = append(faults, f.fault)
	}
	return faults
}

func TestDecision41_CheckerAcceptsAGoodHistory(t *testing.T) {
	t.Parallel()
	p := goodPast()
	p.checker.audit(p.checker.positions(), p.state.rows)
	floor := p.checker.floor()
	p.checker.current(floor, 4)
	p.checker.conclude(p.state)
	found, n := p.checker.result()
	require.Empty(t, found)
	require.Zero(t, n)
}

func TestDecision41_CheckerFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		plant func(p *past)
		want  fault
	}{
		"a lost document": {func(p *past) {
			p.checker.acknowledge("d", "1-d", 9)
		}, faultLost},
		"a lost update, its parent is there": {func(p *past) {
			p.checker.acknowledge("b", "2-b", 9)
		}, faultLost},
		"a lost deletion": {func(p *past) {
			p.checker.acknowledge("b", "2-gone", 0)
		}, faultLost},
		"a lost side of a conflict": {func(p *past) {
			p.checker.acknowledge("a", "2-z", 9)
		}, faultLost},
		"a body of another revision": {func(p *past) {
			p.state.documents["b"] = tree(map[string]leaf{"1-b": {n: 7}})
		}, faultBody},
		"a sequence repeated in one feed": {func(p *past) {
			p.feed.row(row{4, "c", []string{"2-c"}})
		}, faultBack},
		"a sequence that two feeds saw on two documents": {func(p *past) {
			p.checker.follow("other", 3).row(row{4, "b", []string{"1-b"}})
		}, faultTwice},
		"a sequence that two feeds saw on two revisions": {func(p *past) {
			p.checker.follow("other", 3).row(row{4, "c", []string{"3-c"}})
		}, faultTwice},
		"a sequence given again after a crash": {func(p *past) {
			p.state.seq = 3
			p.state.rows = []row{{2, "b", []string{"1-b"}}, {3, "c", []string{"2-c"}}}
		}, faultTwice},
		"fewer sequences than revisions": {func(p *past) {
			p.state.documents["a"] = tree(map[string]leaf{"2-a": {n: 3}}, "1-a", "1-x")
		}, faultTwice},
		"a sequence of nothing": {func(p *past) {
			p.state.seq = 5
		}, faultGap},
		"a row skipped by a feed": {func(p *past) {
			p.checker.follow("hasty", 0).reached(4)
		}, faultSkipped},
		"a row skipped in the middle of a feed": {func(p *past) {
			f := p.checker.follow("hasty", 1)
			f.row(row{2, "b", []string{"1-b"}})
			f.row(row{4, "c", []string{"2-c"}})
		}, faultSkipped},
		"a document without a row": {func(p *past) {
			p.state.rows = p.state.rows[1:]
		}, faultSkipped},
		"the database's sequence lower than one seen": {func(p *past) {
			p.checker.current(p.checker.floor(), 3)
		}, faultBack},
		"a feed that ends before where it was": {func(p *past) {
			p.late.reached(3)
		}, faultBack},
		"a change shown and then lost": {func(p *past) {
			p.checker.follow("early", 4).row(row{5, "b", []string{"2-b"}})
			p.state.seq = 4
		}, faultVanished},
		"a row that shows an old revision": {func(p *past) {
			p.state.rows[1].revs = []string{"1-a"}
		}, faultRow},
		"a document with two rows": {func(p *past) {
			p.state.rows = append([]row{{1, "a", []string{"1-a"}}}, p.state.rows...)
		}, faultRow},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := goodPast()
			c.plant(p)
			p.checker.conclude(p.state)
			require.Contains(t, faultsOf(p.checker), c.want)
		})
	}
}

// A row that is superseded later would not be missed at the end, so the audits in
// between must find it.
func TestDecision41_AuditFindsASkippedRowThatIsSupersededLater(t *testing.T) {
	t.Parallel()
	p := goodPast()
	hasty := p.checker.follow("hasty", 0)
	hasty.row(row{3, "a", []string{"2-a"}})
	p.checker.audit(p.checker.positions(), p.state.rows)
	require.Equal(t, []fault{faultSkipped}, faultsOf(p.checker))
}

// What comes after a feed's position is none of an audit's business.
func TestAuditWaitsForFeedsThatAreBehind(t *testing.T) {
	t.Parallel()
	p := goodPast()
	slow := p.checker.follow("slow", 0)
	slow.row(row{2, "b", []string{"1-b"}})
	p.checker.audit(p.checker.positions(), p.state.rows)
	require.Empty(t, faultsOf(p.checker))
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	c := newChecker()
	for range 3 * keptFindings {
		c.report(faultAnswer, "again")
	}
	found, n := c.result()
	require.Len(t, found, keptFindings)
	require.Equal(t, 3*keptFindings, n)
}

func TestBitset(t *testing.T) {
	t.Parallel()
	var b bitset
	for _, n := range []uint64{0, 63, 64, 5000} {
		require.False(t, b.has(n))
		b.set(n)
		require.True(t, b.has(n))
	}
	require.False(t, b.has(1))
	require.False(t, b.has(1<<31))
}
