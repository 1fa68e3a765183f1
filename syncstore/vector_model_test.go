package syncstore

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// heldDoc is what a client has of a document: what it pulled, and its edits since.
type heldDoc struct {
	vector  Vector
	history []Rev // by tree IDs, as pulled
}

// vectorModel runs clients of every kind against a store.
type vectorModel struct {
	*fixture
	held  map[byte]map[string]heldDoc
	n     uint64
	taken []Edit
	// winners are all versions that a document's winner had.
	winners map[string][]Version
	last    map[string]Document
}

// current is a document as it is, nil if it is not there.
func (m *vectorModel) current(rt *rapid.T, id string) *Document {
	h, err := m.readHead(m.t.Context(), m.scope.head(id))
	if err != nil {
		require.ErrorIs(rt, err, ErrNotFound)
		return nil
	}
	doc, err := m.Get(m.t.Context(), id, GetOptions{Rev: h.winner().Rev, History: true})
	require.NoError(rt, err)
	return doc
}

// times are what a vector says of each source, in the most naive way.
func times(v Vector) map[SourceID]uint64 {
	all := map[SourceID]uint64{}
	for _, list := range [][]Version{{v.Current}, v.Merged, v.Previous} {
		for _, known := range list {
			all[known.Source] = max(all[known.Source], known.Time)
		}
	}
	return all
}

// expected is what the rules of DECISIONS 23 say of an edit: whether it is taken, and whether
// it is known already.
func (m *vectorModel) expected(doc *Document, e *Edit) (taken, known bool) {
	if doc == nil {
		return true, false
	}
	ours, theirs := times(doc.Vector), times(e.Vector)
	if ours[e.Vector.Current.Source] >= e.Vector.Current.Time {
		return false, true
	}
	if current := doc.Vector.Current; current.Source == treeSource {
		taken = theirs[treeSource] == current.Time
	} else {
		taken = theirs[current.Source] >= current.Time
	}
	text := func(merged []Version) string {
		var all []string
		for _, v := range merged {
			all = append(all, v.String())
		}
		slices.Sort(all)
		return fmt.Sprint(all)
	}
	merged := len(doc.Vector.Merged) > 0 && text(doc.Vector.Merged) == text(e.Vector.Merged)
	encoded := theirs[treeSource] == VersionOfRev(doc.Rev).Time
	anew := doc.Deleted && len(theirs) == 1 && len(e.History) == 0 && ours[e.Vector.Current.Source] == 0
	return taken || merged || encoded || anew || slices.Contains(e.History, doc.Rev), false
}

// versioned writes as Couchbase Lite 4 does, and checks that the rules are obeyed.
func (m *vectorModel) versioned(rt *rapid.T, client byte, e Edit) {
	before := m.current(rt, e.ID)
	taken, known := m.expected(before, &e)
	forecast, err := m.Propose(m.t.Context(), nil, []Proposal{{ID: e.ID, Vector: e.Vector, Legacy: e.History}})
	require.NoError(rt, err)
	r := m.write(e)
	switch {
	case known:
		require.NoError(rt, r.Err)
		require.Zero(rt, r.Seq)
		require.Equal(rt, ProposalKnown, forecast[0].Status)
	case !taken:
		require.ErrorIs(rt, r.Err, ErrConflict)
		require.Equal(rt, ProposalConflict, forecast[0].Status)
	default:
		require.NoError(rt, r.Err)
		require.NotZero(rt, r.Seq)
		require.Equal(rt, ProposalWanted, forecast[0].Status)
		m.taken = append(m.taken, e)
		after := m.current(rt, e.ID)
		require.True(rt, after.Vector.Covers(e.Vector.Current))
		if before != nil && after.Rev == r.Rev {
			require.Greater(rt, r.Rev.Gen, before.Rev.Gen)
			require.Contains(rt, after.History, before.Rev, "others see a child of the winner")
			require.Equal(rt, e.Vector.Current, after.Version)
		}
	}
	if held := m.held[client][e.ID]; r.Err == nil && !known {
		m.held[client][e.ID] = heldDoc{vector: e.Vector, history: held.history}
	}
}

func (m *vectorModel) pull(rt *rapid.T, client byte, id string) {
	if doc := m.current(rt, id); doc != nil {
		m.held[client][id] = heldDoc{doc.Vector, doc.History}
	}
}

// check compares each document with how it was before the last action.
func (m *vectorModel) check(rt *rapid.T) {
	for _, id := range []string{"a", "b"} {
		doc := m.current(rt, id)
		if doc == nil {
			continue
		}
		v := doc.Vector
		require.NoError(rt, v.check())
		again, _, err := ParseVector(string(v.Append(nil)))
		require.NoError(rt, err)
		require.Equal(rt, v, again)
		if last, ok := m.last[id]; !ok || last.Rev != doc.Rev {
			require.NotEqual(rt, last.Version, doc.Version, "another winner has another version")
			m.winners[id] = append(m.winners[id], doc.Version)
		} else {
			require.Equal(rt, last.Vector, v, "a losing leaf does not move the vector")
		}
		ours := times(v)
		for source, time := range times(m.last[id].Vector) {
			require.GreaterOrEqual(rt, ours[source], time, "what was covered stays covered")
		}
		for _, version := range m.winners[id] {
			require.GreaterOrEqual(rt, ours[version.Source], version.Time)
		}
		found, err := m.Get(m.t.Context(), id, GetOptions{Version: doc.Version})
		require.NoError(rt, err)
		require.Equal(rt, doc.Rev, found.Rev)
		m.last[id] = *doc
	}
	_, err := m.Changes(m.t.Context(), ChangesOptions{}, func(c *Change) error {
		require.Equal(rt, m.last[string(c.ID)].Version, c.Version)
		require.Equal(rt, m.last[string(c.ID)].Rev.String(), string(c.Leaves[0].Rev))
		return nil
	})
	require.NoError(rt, err)
}

// TestClientsOfEveryKindShareADocument mixes writes by REST, with and without conflicts,
// Couchbase Lite 3 and Couchbase Lite 4, by clients that know more and less of a document.
func TestClientsOfEveryKindShareADocument(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &vectorModel{
			fixture: &fixture{t: t, engine: memory.New()}, winners: map[string][]Version{}, last: map[string]Document{},
			held: map[byte]map[string]heldDoc{'c': {}, 'd': {}, 'e': {}},
		}
		store, err := Open(t.Context(), m.engine, Options{})
		require.NoError(rt, err)
		m.store = store
		defer func() { _ = m.store.Close() }()
		db, err := store.CreateDatabase(t.Context(), "db")
		require.NoError(rt, err)
		m.Collection = db.Default()
		rt.Repeat(m.actions())
	})
}

func (m *vectorModel) actions() map[string]func(*rapid.T) {
	id := rapid.SampledFrom([]string{"a", "b"})
	client := rapid.SampledFrom([]byte{'c', 'd', 'e'})
	edit := func(rt *rapid.T) Edit {
		m.n++
		return Edit{
			ID: id.Draw(rt, "id"), Body: fmt.Appendf(nil, `{"n":%d}`, m.n), Deleted: rapid.IntRange(0, 3).Draw(rt, "deleted") == 0,
		}
	}
	return map[string]func(*rapid.T){
		"pull": func(rt *rapid.T) { m.pull(rt, client.Draw(rt, "client"), id.Draw(rt, "id")) },
		"4: edit": func(rt *rapid.T) {
			e, c := edit(rt), client.Draw(rt, "client")
			e.Vector = m.held[c][e.ID].vector.Next(at(c, m.n))
			m.versioned(rt, c, e)
		},
		"4: merge": func(rt *rapid.T) {
			e, c := edit(rt), client.Draw(rt, "client")
			theirs := m.held[rapid.SampledFrom([]byte{'c', 'd', 'e'}).Draw(rt, "other")][e.ID].vector
			ours := m.held[c][e.ID].vector
			if theirs.Current.IsZero() || ours.Current.IsZero() || ours.Current.Source == theirs.Current.Source {
				rt.Skip("nothing to merge")
			}
			joined := ours.Next(at(c, m.n)).Join(theirs)
			e.Vector = Vector{Current: at(c, m.n), Merged: []Version{ours.Current, theirs.Current}}
			for _, v := range joined.Previous {
				if v.Source != ours.Current.Source && v.Source != theirs.Current.Source {
					e.Vector.Previous = append(e.Vector.Previous, v)
				}
			}
			m.versioned(rt, c, e)
		},
		"4: the same merge": func(rt *rapid.T) {
			e, c := edit(rt), client.Draw(rt, "client")
			doc := m.current(rt, e.ID)
			if doc == nil || len(doc.Vector.Merged) == 0 {
				rt.Skip("nothing was merged")
			}
			e.Vector = Vector{Current: at(c, m.n), Merged: doc.Vector.Merged}
			m.versioned(rt, c, e)
		},
		"4: by an encoded tree ID": func(rt *rapid.T) {
			e, c := edit(rt), client.Draw(rt, "client")
			history := m.held[c][e.ID].history
			if len(history) == 0 {
				rt.Skip("nothing was pulled")
			}
			e.Vector = Vector{Current: at(c, m.n), Previous: []Version{VersionOfRev(history[0])}}
			m.versioned(rt, c, e)
		},
		"4: by tree IDs": func(rt *rapid.T) {
			e, c := edit(rt), client.Draw(rt, "client")
			e.Vector.Current, e.History = at(c, m.n), m.held[c][e.ID].history
			m.versioned(rt, c, e)
		},
		"3": func(rt *rapid.T) {
			e, history := edit(rt), m.held[client.Draw(rt, "client")]
			e.NoConflicts, e.EncodeVersion = true, rapid.Bool().Draw(rt, "encode")
			e.History = []Rev{{1, fmt.Sprintf("%010x", m.n)}}
			if known := history[e.ID].history; len(known) > 0 {
				e.History[0].Gen = known[0].Gen + 1
				e.History = append(e.History, known...)
			}
			before := m.current(rt, e.ID)
			r := m.write(e)
			if r.Err == nil {
				m.taken = append(m.taken, e)
				return
			}
			require.ErrorIs(rt, r.Err, ErrConflict)
			require.NotContains(rt, e.History, before.Rev)
		},
		"REST": func(rt *rapid.T) {
			e := edit(rt)
			if m.current(rt, e.ID) != nil {
				results, err := m.GetRevs(m.t.Context(), e.ID, nil, GetOptions{})
				require.NoError(rt, err)
				e.Parent = rapid.SampledFrom(results).Draw(rt, "leaf").Rev
			}
			require.NoError(rt, m.write(e).Err)
		},
		"REST: conflict": func(rt *rapid.T) {
			e := edit(rt)
			for gen := rapid.IntRange(1, 5).Draw(rt, "generation"); gen > 0; gen-- {
				digest := rapid.SampledFrom([]string{"aa", "bb"}).Draw(rt, "digest")
				e.History = append(e.History, Rev{uint64(gen), digest})
			}
			require.NoError(rt, m.write(e).Err)
		},
		"again": func(rt *rapid.T) {
			if len(m.taken) > 0 {
				r := m.write(rapid.SampledFrom(m.taken).Draw(rt, "edit"))
				require.NoError(rt, r.Err)
				require.Zero(rt, r.Seq)
			}
		},
		"restart": func(rt *rapid.T) {
			require.NoError(rt, m.store.Close())
			store, err := Open(m.t.Context(), m.engine, Options{})
			require.NoError(rt, err)
			db, err := store.Database("db")
			require.NoError(rt, err)
			m.store, m.Collection = store, db.Default()
		},
		"": m.check,
	}
}
