package syncstore

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// A document that is written every ten seconds has more old bodies than a transaction takes. It is purged all the same,
// with what they name.
func TestADocumentOfManyOldBodiesIsPurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.upload([]byte("first")), f.upload([]byte("second"))
	f.put("a", `{"n":1}`, Rev{})
	f.superseded("a", maxSetKeys+1, func(i int) []Content { return []Content{[]Content{first, second}[i%2]} })
	f.put("other", `{}`, Rev{})
	require.Len(t, f.purged("a"), 1)
	require.Equal(t, []int{1, 0, 0}, []int{f.keys(kindHead), f.keys(kindBody), f.keys(kindReference)})
	f.clock.advance(2 * unusedContent)
	f.sweepNow()
	require.Zero(t, f.keys(kindContent), "what they named is collected")
}

// A conflict of such a document is purged, too, and the other one stays as it is.
func TestAConflictOfADocumentOfManyOldBodiesIsPurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	content := f.upload([]byte("content"))
	require.NoError(t, f.write(Edit{
		ID: "a", History: revs(t, "2-bb"), Body: []byte(`{"kept":true}`), Attachments: []AttachmentEdit{{Name: "a", Content: content}},
	}).Err)
	f.pushed("a", `{}`, "2-cc")
	f.superseded("a", maxSetKeys+1, func(int) []Content { return []Content{content} })
	require.Len(t, f.purged("a", Rev{2, "cc"}), 1)
	require.Equal(t, []string{"2-bb"}, f.leaves("a"))
	require.JSONEq(t, `{"kept":true}`, string(f.get("a", GetOptions{}).Body))
	require.Equal(t, []int{0, 1}, []int{f.keys(kindBody), f.keys(kindReference)})
}

func TestATombstoneThatNoTransactionPurgesDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"before", "many bodies", "many channels", "later"} {
		f.remove(id, f.put(id, `{}`, Rev{}))
	}
	f.superseded("many bodies", maxSetKeys+1, nothing)
	h := *f.cachedHead(f.scope.head("many channels"))
	for n := range maxSetKeys + 1 {
		h.Spans = append(h.Spans, span{Channel: fmt.Sprint(n), From: 1, To: 2})
	}
	record := h.encode()
	(&changeSet{ops: []op{{value: record, keySeq: noSeq, valueSeq: headSeqAt}}}).stamp(h.Seq)
	require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error { return tx.Put(f.scope.head("many channels"), record) }))
	f.store.cache.clear()
	f.db.SetRetention(Retention{Tombstones: day})
	f.retain()
	f.clock.advance(2 * day)
	f.retain()
	require.EqualValues(t, 3, f.store.Stats().TombstonesPurged)
	require.Equal(t, []int{1, 0}, []int{f.keys(kindHead), f.keys(kindBody)})
}
