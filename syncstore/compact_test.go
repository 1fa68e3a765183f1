package syncstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (f *fixture) compact() {
	f.t.Helper()
	f.db.Compact()
	require.Eventually(f.t, func() bool { return !f.db.Compacting() }, waitFor, tick)
}

func TestCompactionDropsOldBodiesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.OldBodies = 24 * time.Hour })
	content := f.upload([]byte("only the first revision has it"))
	one := f.write(Edit{ID: "a", Body: []byte(`{"v":1}`), Attachments: []AttachmentEdit{{Name: "att", Content: content}}})
	require.NoError(t, one.Err)
	two := f.put("a", `{"v":2}`, one.Rev)
	f.pushed("a", `{"other":1}`, "2-aa", one.Rev.String())
	three := f.put("a", `{"v":3}`, two)

	f.compact()
	for _, gone := range []Rev{one.Rev, two} {
		_, err := f.Get(t.Context(), "a", GetOptions{Rev: gone})
		require.ErrorIs(t, err, ErrNotFound, "%s", gone)
	}
	for _, leaf := range []Rev{three, revs(t, "2-aa")[0]} {
		doc, err := f.Get(t.Context(), "a", GetOptions{Rev: leaf, History: true})
		require.NoError(t, err, "%s is a leaf", leaf)
		require.Contains(t, doc.History, one.Rev, "the ancestry stays")
	}
	stub := f.write(Edit{ID: "a", Body: []byte(`{}`), Parent: three, Attachments: []AttachmentEdit{{Name: "att", Stub: true}}})
	require.ErrorIs(t, stub.Err, ErrMissingStub, "no known revision has the attachment any more")
	four := f.put("a", `{"v":4}`, three)
	_, err := f.Get(t.Context(), "a", GetOptions{Rev: three})
	require.NoError(t, err, "what is superseded after a compaction is kept")
	require.Equal(t, four, f.get("a", GetOptions{}).Rev)
}

func TestCompactionOfManyDocumentsWhileTheyAreWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const docs = 50
	last := make([]Rev, docs)
	id := func(i int) string { return string(rune('a'+i%26)) + string(rune('a'+i/26)) }
	for range 30 {
		for i := range last {
			last[i] = f.put(id(i), `{}`, last[i])
		}
		f.db.Compact()
	}
	f.compact()
	for i := range last {
		doc, err := f.Get(t.Context(), id(i), GetOptions{History: true})
		require.NoError(t, err)
		require.Equal(t, last[i], doc.Rev)
		require.Len(t, doc.History, 30)
		for _, rev := range doc.History[1:] {
			_, err := f.Get(t.Context(), id(i), GetOptions{Rev: rev})
			require.ErrorIs(t, err, ErrNotFound)
		}
	}
}

// A peer may have a revision without a digest, and CouchDB takes it.
func TestRevisionsWithoutADigest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"v":1}`, "1-")
	require.Equal(t, "1-", f.get("a", GetOptions{}).Rev.String())
	two := f.put("a", `{"v":2}`, Rev{Gen: 1})
	f.reopen()
	doc, err := f.Get(t.Context(), "a", GetOptions{Rev: Rev{Gen: 1}, History: true})
	require.NoError(t, err)
	require.JSONEq(t, `{"v":1}`, string(doc.Body))
	doc, err = f.Get(t.Context(), "a", GetOptions{History: true})
	require.NoError(t, err)
	require.Equal(t, []Rev{two, {Gen: 1}}, doc.History)
	require.False(t, RevFitsLite("1-"), "Couchbase Lite cannot hold it")
}
