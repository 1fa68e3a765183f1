package syncstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// guard is a validator that refuses what no design document allows.
type guard struct {
	asked  int
	during func() // runs in the first call
	seen   []string
}

func (g *guard) CheckDesign(doc *Document) error {
	if string(doc.Body) == `{"bad":true}` {
		return fmt.Errorf("%w: bad", ErrRejected)
	}
	return nil
}

func (g *guard) Validate(_ context.Context, _ Evaluation, designs []*Document) error {
	g.asked++
	if g.asked == 1 && g.during != nil {
		g.during()
	}
	for _, doc := range designs {
		g.seen = append(g.seen, doc.ID)
		if string(doc.Body) == `{"closed":true}` {
			return fmt.Errorf("%w: closed", ErrRejected)
		}
	}
	return nil
}

// ok makes an edit and returns its revision.
func (f *fixture) ok(e Edit) Rev {
	f.t.Helper()
	r := f.write(e)
	require.NoError(f.t, r.Err)
	return r.Rev
}

func TestDesignsAreThoseOfTheLastCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := func() (ids []string) {
		docs, err := f.Collection.Designs(t.Context())
		require.NoError(t, err)
		for _, doc := range docs {
			ids = append(ids, doc.ID+string(doc.Body))
		}
		return ids
	}
	require.Empty(t, ids())
	b := f.ok(Edit{ID: "_design/b"})
	require.Equal(t, []string{`_design/b{}`}, ids())
	f.ok(Edit{ID: "_design0"})
	f.ok(Edit{ID: "a"})
	f.ok(Edit{ID: "_design/a", Body: []byte(`{"n":1}`)})
	b = f.ok(Edit{ID: "_design/b", Parent: b, Body: []byte(`{"n":2}`)})
	require.Equal(t, []string{`_design/a{"n":1}`, `_design/b{"n":2}`}, ids())
	f.ok(Edit{ID: "_design/b", Parent: b, Deleted: true})
	require.Equal(t, []string{`_design/a{"n":1}`}, ids())
	f.reopen()
	require.Equal(t, []string{`_design/a{"n":1}`}, ids())
}

// DECISIONS 33: a write is judged by the design documents that are there when it is committed.
func TestDecision33_DesignDocumentsOfTheCommitJudge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(Edit{ID: "_design/first"})
	g := &guard{during: func() { f.ok(Edit{ID: "_design/second", Body: []byte(`{"closed":true}`)}) }}
	f.Collection.SetPolicy(Policy{Validator: g})
	result := f.write(Edit{ID: "a"}, WriteOptions{})
	require.ErrorIs(t, result.Err, ErrRejected)
	require.Equal(t, 2, g.asked)
	require.Equal(t, []string{"_design/first", "_design/first", "_design/second"}, g.seen)
}

func TestDesignDocumentsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := &guard{}
	f.Collection.SetPolicy(Policy{Validator: g})
	require.NoError(t, f.write(Edit{ID: "a"}, WriteOptions{}).Err)
	require.Zero(t, g.asked, "without design documents nobody has to be asked")
	require.ErrorIs(t, f.write(Edit{ID: "_design/a", Body: []byte(`{"bad":true}`)}, WriteOptions{}).Err, ErrRejected)
	require.ErrorIs(t, f.write(Edit{ID: "_design/a"}, WriteOptions{Viewer: &Viewer{Name: "alice"}}).Err, ErrDesignWriter)
	rev := f.ok(Edit{ID: "_design/a"})
	require.NoError(t, f.write(Edit{ID: "_design/a", Parent: rev, Deleted: true, Body: []byte(`{"bad":true}`)}, WriteOptions{}).Err)
	require.Zero(t, g.asked)
}
