package syncstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func (f *fixture) propose(viewer *Viewer, proposals ...Proposal) []ProposalAnswer {
	f.t.Helper()
	answers, err := f.Propose(f.t.Context(), viewer, proposals)
	require.NoError(f.t, err)
	require.Len(f.t, answers, len(proposals))
	return answers
}

// reference/blip.md 3.9, and 8.1 rows 31 and 32.
func TestProposalsOfTreeRevisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("live", `{}`, "3-c", "2-b", "1-a")
	f.pushed("gone", `{}`, "1-a")
	f.deleted("gone", "2-b", "1-a")
	f.pushed("fork", `{}`, "2-b", "1-a")
	f.pushed("fork", `{}`, "2-a", "1-a")
	current := map[string]Rev{"live": {3, "c"}, "gone": {2, "b"}, "fork": {2, "b"}}
	for _, x := range []struct {
		id, rev, parent string
		status          ProposalStatus
	}{
		{"new", "1-x", "", ProposalWanted},
		{"new", "2-x", "1-y", ProposalWanted},
		{"_design/new", "1-x", "", ProposalWanted},
		{"", "1-x", "", ProposalWanted}, // the write says what is wrong
		{"bad\x00id", "1-x", "", ProposalWanted},
		{"live", "3-c", "", ProposalKnown},
		{"live", "3-c", "2-b", ProposalKnown},
		{"live", "2-b", "1-a", ProposalKnown},
		{"live", "4-x", "3-c", ProposalWanted},
		{"live", "4-x", "2-b", ProposalConflict},
		{"live", "4-x", "3-y", ProposalConflict},
		{"live", "1-x", "", ProposalConflict},
		{"gone", "1-x", "", ProposalWanted},
		{"gone", "3-x", "2-b", ProposalWanted},
		{"gone", "3-x", "2-y", ProposalConflict},
		{"gone", "1-a", "", ProposalWanted}, // as Couchbase Lite expects it; the write knows better
		{"fork", "3-x", "2-b", ProposalWanted},
		{"fork", "3-x", "2-a", ProposalConflict},
		{"fork", "2-a", "1-a", ProposalKnown},
	} {
		p := Proposal{ID: x.id, Rev: mustRev(t, x.rev)}
		if x.parent != "" {
			p.Parent = mustRev(t, x.parent)
		}
		answer := f.propose(nil, p)[0]
		require.Equal(t, x.status, answer.Status, "%v", x)
		require.Equal(t, current[x.id], answer.Rev, "%v", x)
		if !answer.Rev.IsZero() {
			require.Equal(t, f.vector(x.id).Current, answer.Version)
		}
	}
	require.Empty(t, f.propose(nil))
	require.Equal(t, []ProposalStatus{ProposalWanted, ProposalKnown, ProposalConflict}, statuses(f.propose(nil,
		Proposal{ID: "new", Rev: Rev{1, "x"}}, Proposal{ID: "live", Rev: Rev{3, "c"}}, Proposal{ID: "fork", Rev: Rev{1, "x"}})))
}

func statuses(answers []ProposalAnswer) (all []ProposalStatus) {
	for _, answer := range answers {
		all = append(all, answer.Status)
	}
	return all
}

// reference/blip.md 3.9 (the nine rules), and 8.1 rows 34, 90 and 93.
func TestProposalsOfVersions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("legacy", `{}`, "2-b", "1-a")
	ours := f.vector("legacy").Current
	require.NoError(t, f.pushVersion("doc", `{}`, Vector{
		Current: at('c', 5), Merged: []Version{at('c', 4), at('d', 3)}, Previous: []Version{at('e', 2)},
	}).Err)
	rev := mustRev(t, f.history("doc")[0])
	legacy := Rev{2, "b"}
	for name, x := range map[string]struct {
		proposal Proposal
		status   ProposalStatus
	}{
		"2. no document":                    {Proposal{ID: "new", Vector: Vector{Current: at('x', 1)}}, ProposalWanted},
		"2. no document, a parent":          {Proposal{ID: "new", Vector: Vector{Current: at('x', 1)}, ParentVersion: at('y', 1)}, ProposalWanted},
		"3. the parent is our tree ID":      {Proposal{ID: "legacy", Vector: Vector{Current: at('x', 1)}, Parent: legacy}, ProposalWanted},
		"3. an old tree ID as parent":       {Proposal{ID: "legacy", Vector: Vector{Current: at('x', 1)}, Parent: Rev{1, "a"}}, ProposalConflict},
		"3. our tree ID itself":             {Proposal{ID: "legacy", Vector: Vector{Current: VersionOfRev(legacy)}, Parent: legacy}, ProposalKnown},
		"3. our tree ID, no parent":         {Proposal{ID: "legacy", Vector: Vector{Current: VersionOfRev(legacy)}}, ProposalKnown},
		"3. an earlier tree ID":             {Proposal{ID: "legacy", Vector: Vector{Current: VersionOfRev(Rev{1, "a"})}}, ProposalKnown},
		"3. an unknown tree ID":             {Proposal{ID: "legacy", Vector: Vector{Current: VersionOfRev(Rev{2, "c"})}}, ProposalConflict},
		"3. the parent encodes our tree ID": {Proposal{ID: "legacy", Vector: Vector{Current: at('x', 1)}, ParentVersion: VersionOfRev(legacy)}, ProposalWanted},
		"3. our tree ID among the legacy":   {Proposal{ID: "legacy", Vector: Vector{Current: at('x', 1)}, Legacy: []Rev{legacy}}, ProposalWanted},
		"5. the parent is our version":      {Proposal{ID: "doc", Vector: Vector{Current: at('x', 1)}, ParentVersion: at('c', 5)}, ProposalWanted},
		"5. the parent is our version of a tree document": {
			Proposal{ID: "legacy", Vector: Vector{Current: at('x', 1)}, ParentVersion: ours}, ProposalWanted,
		},
		"6. our current version":       {Proposal{ID: "doc", Vector: Vector{Current: at('c', 5)}}, ProposalKnown},
		"6. an earlier version":        {Proposal{ID: "doc", Vector: Vector{Current: at('c', 1)}}, ProposalKnown},
		"6. a merged version":          {Proposal{ID: "doc", Vector: Vector{Current: at('d', 3)}}, ProposalKnown},
		"6. a previous version":        {Proposal{ID: "doc", Vector: Vector{Current: at('e', 1)}}, ProposalKnown},
		"7. later, of the same source": {Proposal{ID: "doc", Vector: Vector{Current: at('c', 6)}}, ProposalWanted},
		"8. ours among the previous": {
			Proposal{ID: "doc", Vector: Vector{Current: at('x', 1), Previous: []Version{at('c', 5)}}}, ProposalWanted,
		},
		"8. ours among the merged": {
			Proposal{ID: "doc", Vector: Vector{Current: at('x', 1), Merged: []Version{at('c', 5), at('x', 0)}}}, ProposalWanted,
		},
		"8. the same merge": {
			Proposal{ID: "doc", Vector: Vector{Current: at('x', 1), Merged: []Version{at('d', 3), at('c', 4)}}}, ProposalWanted,
		},
		"9. an outdated version of ours": {
			Proposal{ID: "doc", Vector: Vector{Current: at('x', 1), Previous: []Version{at('c', 4)}}}, ProposalConflict,
		},
		"9. nothing in common":    {Proposal{ID: "doc", Vector: Vector{Current: at('x', 1)}}, ProposalConflict},
		"9. later, of another":    {Proposal{ID: "doc", Vector: Vector{Current: at('d', 9)}}, ProposalConflict},
		"9. an outdated parent":   {Proposal{ID: "doc", Vector: Vector{Current: at('x', 1)}, ParentVersion: at('c', 4)}, ProposalConflict},
		"1. a tree ID":            {Proposal{ID: "doc", Rev: Rev{2, "x"}, Parent: rev}, ProposalWanted},
		"1. a tree ID, no parent": {Proposal{ID: "doc", Rev: Rev{2, "x"}}, ProposalConflict},
	} {
		answer := f.propose(nil, x.proposal)[0]
		require.Equal(t, x.status, answer.Status, name)
		if x.proposal.ID == "doc" {
			require.Equal(t, at('c', 5), answer.Version, name)
			require.Equal(t, rev, answer.Rev, name)
		}
	}
}

func TestProposalsTellNothingOfWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	rev := f.in("d", Rev{}, "ch")
	f.give("alice", "ch")
	version := f.vector("d").Current
	stranger := &Viewer{Name: "bob"}
	alice := f.propose(&Viewer{Name: "alice"}, Proposal{ID: "d", Rev: Rev{1, "x"}})
	require.Equal(t, []ProposalAnswer{{ProposalConflict, rev, version}}, alice)
	for _, p := range []Proposal{
		{ID: "d", Rev: Rev{1, "x"}}, {ID: "d", Rev: Rev{2, "x"}, Parent: Rev{1, "x"}},
		{ID: "d", Vector: Vector{Current: at('c', 1)}}, {ID: "d", Vector: Vector{Current: Version{version.Time - 1, version.Source}}},
	} {
		require.Equal(t, []ProposalAnswer{{Status: ProposalConflict}}, f.propose(stranger, p), "%v", p)
	}
	// Who writes what they may not read knows the revision already.
	require.Equal(t, []ProposalAnswer{{Status: ProposalKnown}, {Status: ProposalWanted}, {Status: ProposalWanted}}, f.propose(stranger,
		Proposal{ID: "d", Rev: rev}, Proposal{ID: "d", Rev: Rev{2, "x"}, Parent: rev},
		Proposal{ID: "d", Vector: Vector{Current: at('c', 1)}, ParentVersion: version}))
	f.remove("d", rev)
	require.Equal(t, []ProposalAnswer{{Status: ProposalConflict}}, f.propose(stranger, Proposal{ID: "d", Rev: Rev{1, "x"}}))
}

// What is forecast is what happens.
func TestProposalsThatAreKnownAreWrittenWithoutEffect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-b", "1-a")
	require.NoError(t, f.pushVersion("a", `{}`, Vector{Current: at('c', 1)}, "2-b").Err)
	seq := f.db.Info().Seq
	for _, v := range []Version{at('c', 1), VersionOfRev(Rev{2, "b"}), VersionOfRev(Rev{1, "a"})} {
		require.Equal(t, ProposalKnown, f.propose(nil, Proposal{ID: "a", Vector: Vector{Current: v}})[0].Status)
		require.NoError(t, f.pushVersion("a", `{"n":1}`, Vector{Current: v}).Err)
	}
	require.Equal(t, seq, f.db.Info().Seq)
}

// A client of 4.1 proposes a version without its vector, and what it then sends has all of it.
func TestAnEditOfADeletedDocumentIsAConflictByItsParentToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("d", `{}`, "1-a")
	old := f.vector("d").Current
	require.NoError(t, f.write(Edit{ID: "d", Deleted: true, Parent: Rev{1, "a"}}).Err)
	edit := Vector{Current: at('c', 1)}
	require.Equal(t, []ProposalStatus{ProposalConflict, ProposalConflict, ProposalWanted}, statuses(f.propose(nil,
		Proposal{ID: "d", Vector: edit, ParentVersion: old},
		Proposal{ID: "d", Vector: edit, Parent: Rev{1, "a"}},
		Proposal{ID: "d", Vector: edit},
	)))
	edit.Previous = []Version{old}
	require.ErrorIs(t, f.pushVersion("d", `{}`, edit).Err, ErrConflict)
}

// Couchbase Lite stops pushing where its list of proposals is refused. The write says what is the matter.
func TestADamagedDocumentIsProposedBesideOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"head", "tree", "other"} {
		f.pushed(id, `{}`, "2-b", "1-a")
	}
	f.damage("head")
	f.damageRecord(f.scope.tree("tree"))
	known := mustRev(t, "1-a")
	answers := f.propose(nil, Proposal{ID: "head", Rev: known}, Proposal{ID: "tree", Rev: known}, Proposal{ID: "other", Rev: known})
	require.Equal(t, ProposalWanted, answers[0].Status)
	require.Equal(t, ProposalWanted, answers[1].Status)
	require.Equal(t, ProposalKnown, answers[2].Status)
}

// A device proposes hundreds of changed documents at once; their bodies are more than there is memory for.
func TestProposeDoesNotHoldAllDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n, size = 400, 10_000
	proposals := make([]Proposal, n)
	for i := range proposals {
		proposals[i] = Proposal{ID: fmt.Sprint("doc", i), Rev: revs(t, "2-b")[0], Parent: revs(t, "1-a")[0]}
		f.pushed(proposals[i].ID, fmt.Sprintf(`{"text":"%0*d"}`, size, 0), "1-a")
	}
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter
	answers, err := f.Propose(t.Context(), nil, proposals)
	require.NoError(t, err)
	for _, answer := range answers {
		require.Equal(t, ProposalAnswer{Status: ProposalWanted, Rev: proposals[0].Parent, Version: answer.Version}, answer)
	}
	require.Less(t, meter.most, (readsAtOnce+1)*(size+1000))
	require.Greater(t, meter.most, size)
}
