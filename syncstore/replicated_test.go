package syncstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference/blip.md 3.10, and 8.1 rows 40 and 45: what a client of revision trees may push.
func TestRevisionsWithoutConflicts(t *testing.T) {
	t.Parallel()
	live := func(f *fixture) { f.pushed("a", `{}`, "3-c", "2-b", "1-a") }
	gone := func(f *fixture) { live(f); f.deleted("a", "4-d", "3-c") }
	forked := func(f *fixture) { live(f); f.pushed("a", `{}`, "2-y", "1-a") }
	both := func(f *fixture) { gone(f); f.deleted("a", "2-y", "1-a") }
	for name, x := range map[string]struct {
		here     func(*fixture)
		history  []string
		deleted  bool
		conflict bool
	}{
		"a new document":                     {nil, []string{"3-c", "2-b"}, false, false},
		"a new tombstone":                    {nil, []string{"3-c", "2-b"}, true, false},
		"on the winner":                      {live, []string{"4-d", "3-c"}, false, false},
		"on the winner, several":             {live, []string{"6-f", "5-e", "4-d", "3-c", "2-b"}, false, false},
		"a tombstone on the winner":          {live, []string{"4-d", "3-c"}, true, false},
		"on an inner revision":               {live, []string{"3-x", "2-b", "1-a"}, false, true},
		"a tombstone on an inner revision":   {live, []string{"3-x", "2-b", "1-a"}, true, true},
		"none of it is known":                {live, []string{"4-x", "3-x"}, false, true},
		"a tombstone of which none is known": {live, []string{"4-x", "3-x"}, true, true},
		"on a losing leaf":                   {forked, []string{"3-z", "2-y"}, false, true},
		"a tombstone on a losing leaf":       {forked, []string{"3-z", "2-y"}, true, false},
		"on the tombstone":                   {gone, []string{"5-e", "4-d"}, false, false},
		"beside the tombstone, none known":   {gone, []string{"1-z"}, false, false},
		"before the tombstone":               {gone, []string{"4-z", "3-c"}, false, true},
		"on a losing tombstone":              {both, []string{"3-z", "2-y"}, false, true},
		"a tombstone on a losing tombstone":  {both, []string{"3-z", "2-y"}, true, true},
		"a tombstone beside the tombstone":   {gone, []string{"9-z"}, true, false},
		"a revision that is here":            {live, []string{"3-c", "2-b"}, false, false},
		"a revision that is inside":          {live, []string{"2-b", "1-a"}, false, false},
		"a tombstone that is here":           {both, []string{"2-y", "1-a"}, true, false},
	} {
		f := newFixture(t)
		if x.here != nil {
			x.here(f)
		}
		seq := f.db.Info().Seq
		r := f.write(Edit{ID: "a", Body: []byte(`{"n":1}`), History: revs(t, x.history...), Deleted: x.deleted, NoConflicts: true})
		if x.conflict {
			require.ErrorIs(t, r.Err, ErrConflict, name)
			require.Equal(t, seq, f.db.Info().Seq, name)
			continue
		}
		require.NoError(t, r.Err, name)
		again := f.write(Edit{ID: "a", Body: []byte(`{"n":2}`), History: revs(t, x.history...), Deleted: x.deleted, NoConflicts: true})
		require.NoError(t, again.Err, name)
		require.Zero(t, again.Seq, name)
	}
}

// deleted takes in a tombstone.
func (f *fixture) deleted(id string, history ...string) {
	f.t.Helper()
	require.NoError(f.t, f.write(Edit{ID: id, Deleted: true, History: revs(f.t, history...)}).Err)
}

// The conflict is decided by what is there when the revision is committed.
func TestOnlyOneOfManyRevisionsExtendsTheWinner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "1-a")
	const writers = 16
	errs := make(chan error, 2*writers)
	for n := range writers {
		go func() {
			digest := string(rune('a' + n))
			errs <- f.Write(t.Context(), []Edit{{ID: "a", History: []Rev{{2, digest}, {1, "a"}}, NoConflicts: true}}, WriteOptions{})[0].Err
		}()
		go func() {
			v := Vector{Current: at(byte(n+1), 1), Previous: []Version{VersionOfRev(Rev{1, "a"})}}
			errs <- f.Write(t.Context(), []Edit{{ID: "a", Vector: v}}, WriteOptions{})[0].Err
		}()
	}
	taken := 0
	for range 2 * writers {
		if err := <-errs; err == nil {
			taken++
		} else {
			require.ErrorIs(t, err, ErrConflict)
		}
	}
	require.Equal(t, 1, taken)
	require.Len(t, f.leaves("a"), 1)
	require.Equal(t, uint64(2), f.db.Info().Seq)
}

func TestOldBodiesAreFoundByTheVersionTheyHad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.pushVersion("a", `{"n":1}`, Vector{Current: at('c', 1)}).Err)
	require.NoError(t, f.pushVersion("a", `{"n":2}`, Vector{Current: at('c', 2)}).Err)
	second := mustRev(t, f.history("a")[0])
	third := f.put("a", `{"n":3}`, second)
	ours := f.vector("a").Current
	f.pushed("a", `{"n":4}`, "9-x")
	for range 2 {
		for v, body := range map[Version]string{at('c', 1): `{"n":1}`, at('c', 2): `{"n":2}`, ours: `{"n":3}`, f.vector("a").Current: `{"n":4}`} {
			doc := f.get("a", GetOptions{Version: v, Rev: Rev{99, "not looked at"}})
			require.Equal(t, body, string(doc.Body))
			require.Equal(t, f.vector("a").Current, doc.Version, "that of the document")
		}
		f.reopen()
	}
	require.Equal(t, second, f.get("a", GetOptions{Version: at('c', 2)}).Rev)
	require.Equal(t, third, f.get("a", GetOptions{Version: at('c', 2), Latest: true}).Rev)
	for _, v := range []Version{at('c', 3), at('d', 1)} {
		_, err := f.Get(t.Context(), "a", GetOptions{Version: v})
		require.ErrorIs(t, err, ErrNotFound)
	}
	f.clock.advance(f.store.options.OldBodies + 1e9)
	f.sweepNow()
	_, err := f.Get(t.Context(), "a", GetOptions{Version: at('c', 2)})
	require.ErrorIs(t, err, ErrNotFound, "it is kept for a while")
	require.Equal(t, `{"n":3}`, string(f.get("a", GetOptions{Version: ours}).Body), "it is a leaf")

	f.remove("a", Rev{9, "x"})
	f.remove("a", third)
	doc := f.get("a", GetOptions{Version: f.vector("a").Current})
	require.True(t, doc.Deleted, "a tombstone is read, as by its revision")
}

func TestVersionsAreReadByWhoMayReadTheirRevision(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	f.in("d", f.in("d", Rev{}, "a"), "b")
	now := f.vector("d").Current
	for user, reads := range map[string]error{"alice": nil, "bob": ErrNotFound} {
		doc, err := f.Get(t.Context(), "d", GetOptions{Version: now, Viewer: &Viewer{Name: user}})
		require.ErrorIs(t, err, reads)
		if err == nil {
			require.True(t, doc.Removed, "what she lost comes without its body")
		}
	}
	f.give("carol", "b")
	_, err := f.Get(t.Context(), "d", GetOptions{Version: now, Viewer: &Viewer{Name: "carol"}})
	require.NoError(t, err)
	for _, v := range f.vector("d").Previous {
		_, err := f.Get(t.Context(), "d", GetOptions{Version: v, Viewer: &Viewer{Name: "carol"}})
		require.ErrorIs(t, err, ErrNotFound)
	}
}

func TestDecision26WhatOnlyCouchbaseLiteUnderstandsIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seen := &extras{}
	f.SetPolicy(Policy{Evaluator: seen})
	first := f.write(Edit{ID: "a", Body: []byte(`{"n":1}`), Extra: []byte(`{"_x":1}`), History: revs(t, "1-a")})
	require.NoError(t, first.Err)
	f.write(Edit{ID: "a", Extra: []byte(`{"_x":2}`), History: revs(t, "1-b")})
	f.write(Edit{ID: "a", Extra: []byte(`{"_x":3}`), Vector: Vector{Current: at('c', 1), Previous: []Version{f.vector("a").Current}}})
	winner := mustRev(t, f.history("a")[0])
	require.Equal(t, []string{`{"_x":1}`, `{"_x":2}`, `{"_x":3}`}, seen.extra)
	for range 2 {
		for rev, extra := range map[Rev]string{{1, "a"}: `{"_x":1}`, {1, "b"}: `{"_x":2}`, winner: `{"_x":3}`} {
			require.Equal(t, extra, string(f.get("a", GetOptions{Rev: rev}).Extra), "%v", rev)
		}
		require.Equal(t, `{"_x":3}`, string(f.get("a", GetOptions{}).Extra))
		f.reopen()
	}
	f.put("a", `{"n":4}`, winner)
	require.Nil(t, f.get("a", GetOptions{}).Extra)
	require.Equal(t, `{"_x":3}`, string(f.get("a", GetOptions{Version: at('c', 1)}).Extra))
	results, err := f.GetRevs(t.Context(), "a", nil, GetOptions{})
	require.NoError(t, err)
	require.Equal(t, `{"_x":1}`, string(results[1].Doc.Extra))

	e := Edit{Body: []byte(`{}`)}
	without := newRevision(Rev{}, &e, nil)
	require.Equal(t, Rev{1, "64e152dcac8325a158fac280f3781c87"}, without, "names of before are the same")
	e.Extra = []byte(`{"_x":1}`)
	require.NotEqual(t, without, newRevision(Rev{}, &e, nil))
	big := make([]byte, f.store.options.MaxDocument)
	require.ErrorIs(t, f.write(Edit{ID: "b", Body: []byte(`{}`), Extra: big}).Err, ErrTooLarge)
}

// extras notes what a policy sees.
type extras struct {
	extra []string
}

func (e *extras) Evaluate(_ context.Context, write Evaluation) (Outcome, error) {
	e.extra = append(e.extra, string(write.New.Extra))
	return Outcome{}, nil
}

// Records that were written before there were Extra and versions of bodies read as they did.
func TestRecordsOfBeforeAreRead(t *testing.T) {
	t.Parallel()
	l := leaf{Rev: Rev{2, "ab"}, Deleted: true, Seq: 3, Author: "u", Channels: []string{"c"}}
	e := encoder{}
	e.byte(1) // format
	e.rev(l.Rev)
	e.byte(1) // a tombstone
	e.fixed64(3)
	e.text("u")
	e.uvarint(0) // expires
	e.uvarint(1)
	e.text("c")
	e.uvarint(0) // grants
	e.uvarint(0) // attachments
	e.text(`{"n":1}`)
	stored, err := decodeStoredBody(e.b)
	require.NoError(t, err)
	require.Equal(t, l, stored.leaf)
	require.Equal(t, `{"n":1}`, string(stored.body))
	require.Equal(t, e.b, stored.encode(), "and are written as they were")
}

// Rows tell the version of what they tell of: where a document is seen, where it left a
// channel, and where the channel was lost.
func TestRowsHaveTheVersionOfTheirDocument(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a", "b")
	rows := func(since Cursor) map[string]Version {
		all := map[string]Version{}
		o := FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true}
		_, err := f.Changes(t.Context(), ChangesOptions{FeedOptions: o, Since: since}, func(c *Change) error {
			all[string(c.ID)] = c.Version
			return nil
		})
		require.NoError(t, err)
		return all
	}
	seen := f.in("seen", Rev{}, "a")
	left := f.in("left", Rev{}, "a")
	lost := f.in("lost", Rev{}, "b")
	check := func() {
		t.Helper()
		all := rows(At(4))
		require.Len(t, all, 3)
		for id, version := range all {
			require.Equal(t, f.vector(id).Current, version, id)
		}
	}
	f.in("seen", seen, "a")
	left = f.in("left", left, "elsewhere")
	f.give("alice", "a")
	check()
	f.in("left", left, "elsewhere", "too")
	f.in("lost", lost, "b")
	check()
	require.NoError(t, f.pushVersion("seen", `{"channels":["a"]}`, Vector{
		Current: at('c', 1), Previous: []Version{f.vector("seen").Current},
	}).Err)
	check()
	f.pushed("seen", `{"channels":["a"]}`, "1-z")
	check()
	require.Equal(t, at('c', 1), rows(Cursor{})["seen"])
}
