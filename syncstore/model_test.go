package syncstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// modelDoc is a document as CouchDB's rules describe it, kept in the most naive way.
type modelDoc struct {
	parents map[string]string // revision → parent, "" unknown
	deleted map[string]bool
	bodies  map[string]string
}

func (m *modelDoc) leaves() []string {
	inner := make(map[string]bool)
	for _, parent := range m.parents {
		inner[parent] = true
	}
	var leaves []string
	for rev := range m.parents {
		if !inner[rev] {
			leaves = append(leaves, rev)
		}
	}
	rankLeaves(leaves, m.deleted)
	return leaves
}

// rankLeaves sorts revisions, the winner first.
func rankLeaves(leaves []string, deleted map[string]bool) {
	slices.SortFunc(leaves, func(a, b string) int {
		ra, _ := ParseRev(a)
		rb, _ := ParseRev(b)
		switch {
		case deleted[a] != deleted[b] && deleted[a]:
			return 1
		case deleted[a] != deleted[b]:
			return -1
		case ra.Gen != rb.Gen:
			return int(rb.Gen) - int(ra.Gen)
		}
		return strings.Compare(rb.Digest, ra.Digest)
	})
}

// add takes in a history, newest first, if its revision is not known.
func (m *modelDoc) add(history []string, body string, deleted bool) bool {
	if _, ok := m.parents[history[0]]; ok {
		return false
	}
	child := ""
	for _, rev := range history {
		if child != "" && m.parents[child] != "" {
			if child = m.parents[child]; child != rev {
				break // a known past is not rewritten
			}
			continue
		}
		if _, known := m.parents[rev]; !known {
			m.parents[rev] = ""
		}
		if child != "" {
			m.parents[child] = rev
		}
		child = rev
	}
	m.bodies[history[0]], m.deleted[history[0]] = body, deleted
	return true
}

// TestTheStoreBehavesAsTheModel compares the store with the model over random edits,
// replicated revisions, deletions and restarts.
func TestTheStoreBehavesAsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := &fixture{t: t, engine: memory.New(), clock: &fakeClock{}}
		store, err := Open(t.Context(), f.engine, Options{})
		require.NoError(rt, err)
		f.store = store
		defer func() { _ = f.store.Close() }()
		db, err := store.CreateDatabase(t.Context(), "db")
		require.NoError(rt, err)
		f.Collection = db.Default()
		model := make(map[string]*modelDoc)
		last := make(map[string]uint64)
		doc := func(id string) *modelDoc {
			if model[id] == nil {
				model[id] = &modelDoc{map[string]string{}, map[string]bool{}, map[string]string{}}
			}
			return model[id]
		}
		id := rapid.SampledFrom([]string{"a", "b", "c"})
		n := 0
		written := func(rt *rapid.T, id string, r WriteResult) {
			require.NoError(rt, r.Err)
			require.Equal(rt, f.db.Info().Seq, r.Seq)
			last[id] = r.Seq
		}
		rt.Repeat(map[string]func(*rapid.T){
			"edit": func(rt *rapid.T) {
				id := id.Draw(rt, "id")
				m := doc(id)
				n++
				body, deleted := fmt.Sprintf(`{"n":%d}`, n), rapid.Bool().Draw(rt, "deleted")
				var parent Rev
				history := []string{}
				if leaves := m.leaves(); len(leaves) > 0 {
					leaf := rapid.SampledFrom(leaves).Draw(rt, "leaf")
					parent, _ = ParseRev(leaf)
					history = append(history, leaf)
				}
				r := f.write(Edit{ID: id, Body: []byte(body), Parent: parent, Deleted: deleted})
				written(rt, id, r)
				m.add(append([]string{r.Rev.String()}, history...), body, deleted)
			},
			"push": func(rt *rapid.T) {
				id := id.Draw(rt, "id")
				m := doc(id)
				n++
				top := rapid.IntRange(1, 6).Draw(rt, "generation")
				known := rapid.IntRange(1, top).Draw(rt, "ancestors")
				e := Edit{ID: id, Body: fmt.Appendf(nil, `{"n":%d}`, n), Deleted: rapid.Bool().Draw(rt, "deleted")}
				var history []string
				for gen := top; gen > top-known; gen-- {
					digest := rapid.SampledFrom([]string{"aa", "bb", "cc"}).Draw(rt, "digest")
					e.History = append(e.History, Rev{uint64(gen), digest})
					history = append(history, fmt.Sprintf("%d-%s", gen, digest))
				}
				r := f.write(e)
				if m.add(history, string(e.Body), e.Deleted) {
					written(rt, id, r)
				} else {
					require.NoError(rt, r.Err)
					require.Zero(rt, r.Seq)
				}
			},
			"restart": func(rt *rapid.T) {
				require.NoError(rt, f.store.Close())
				f.store, err = Open(t.Context(), f.engine, Options{})
				require.NoError(rt, err)
				db, err := f.store.Database("db")
				require.NoError(rt, err)
				f.Collection = db.Default()
			},
			"": func(rt *rapid.T) { f.compare(rt, model, last) },
		})
	})
}

func (f *fixture) compare(rt *rapid.T, model map[string]*modelDoc, last map[string]uint64) {
	live, dead := uint64(0), uint64(0)
	for id, m := range model {
		leaves := m.leaves()
		if len(leaves) == 0 {
			continue
		}
		results, err := f.GetRevs(f.t.Context(), id, nil, GetOptions{History: true})
		require.NoError(rt, err)
		require.Len(rt, results, len(leaves))
		for i, r := range results {
			require.Equal(rt, leaves[i], r.Rev.String())
			require.NotNil(rt, r.Doc)
			require.Equal(rt, m.bodies[leaves[i]], string(r.Doc.Body))
			require.Equal(rt, m.deleted[leaves[i]], r.Doc.Deleted)
			var history []string
			for rev := leaves[i]; rev != ""; rev = m.parents[rev] {
				history = append(history, rev)
			}
			require.Equal(rt, history, revTexts(r.Doc.History))
		}
		if m.deleted[leaves[0]] {
			dead++
		} else {
			live++
		}
	}
	info := f.db.Info()
	require.Equal(rt, []uint64{live, dead}, []uint64{info.Docs, info.DeletedDocs})
	rows, _ := f.changes(ChangesOptions{})
	require.Len(rt, rows, len(last))
	for _, row := range rows {
		require.Equal(rt, last[row.ID], row.Seq)
	}
}
