package syncstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// superseded gives a document old bodies that are due in an hour, each with attachments by its number.
func (f *fixture) superseded(id string, n int, attached func(i int) []Content) {
	f.t.Helper()
	at := f.clock.Now().Add(unusedContent).Unix()
	require.NoError(f.t, f.engine.Update(f.t.Context(), func(tx engine.Txn) error {
		for i := range n {
			stored := storedBody{leaf: leaf{Rev: Rev{1, fmt.Sprintf("%06d", i)}}, body: []byte(`{}`)}
			for _, content := range attached(i) {
				stored.leaf.Attachments = append(stored.leaf.Attachments, Attachment{Name: "a", Content: content})
				require.NoError(f.t, tx.Put(f.scope.reference(content.SHA256, id), nil))
			}
			key := f.scope.body(id, stored.leaf.Rev)
			require.NoError(f.t, tx.Put(key, stored.encode()))
			require.NoError(f.t, tx.Put(f.scope.due(at, key), nil))
		}
		return nil
	}))
}

// nothing is what no revision has attached.
func nothing(int) []Content { return nil }

// A document that is written all the time, in each group of commits, keeps no more than others of what was superseded.
func TestOldBodiesOfADocumentThatIsWrittenAllTheTimeAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.superseded("hot", 500, nothing)
	f.clock.advance(2 * unusedContent)
	written, stop := make(chan struct{}), atomic.Bool{}
	begun := sync.OnceFunc(func() { close(written) })
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	wg.Go(func() {
		for rev := (Rev{}); !stop.Load(); begun() {
			r := f.Write(context.Background(), []Edit{{ID: "hot", Parent: rev}}, WriteOptions{})[0]
			f.only(r.Err)
			rev = r.Rev
		}
	})
	<-written
	require.Equal(t, 500, f.sweepNow())
}

// One by one they would take a commit each, and a look at all the others for what these have attached.
func TestOldBodiesOfADocumentAreDroppedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kept := f.upload([]byte("kept"))
	gone := []Content{f.upload([]byte("one")), f.upload([]byte("two"))}
	require.NoError(t, f.write(Edit{ID: "a", Attachments: []AttachmentEdit{{Name: "a", Content: kept}}}).Err)
	f.superseded("a", 1000, func(i int) []Content { return []Content{kept, gone[i%2]} })
	before := f.engine.Stats().Commits
	f.compact()
	require.Equal(t, []int{0, 1}, []int{f.keys(kindBody), f.keys(kindReference)})
	require.LessOrEqual(t, f.engine.Stats().Commits-before, uint64(1000/bodiesAtOnce))
	require.EqualValues(t, 1000, f.store.Stats().BodiesDropped)
	f.clock.advance(2 * unusedContent)
	f.sweepNow()
	require.Equal(t, []byte("kept"), f.content(kept))
	require.Equal(t, 1, f.keys(kindContent))
}

// Together they may have more attached than a transaction takes references.
func TestOldBodiesOfManyAttachmentsAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	const each = 600
	f.superseded("a", 12, func(i int) (all []Content) {
		for n := range each {
			var c Content
			binary.BigEndian.PutUint64(c.SHA256[:], uint64(i*each+n))
			all = append(all, c)
		}
		return all
	})
	f.compact()
	require.Equal(t, []int{0, 0}, []int{f.keys(kindBody), f.keys(kindReference)})
}

// It would keep those that are dropped with it, and be tried again for ever.
func TestAnOldBodyThatCannotBeReadIsDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	f.superseded("a", 3, nothing)
	require.NoError(t, f.engine.Update(t.Context(), func(tx engine.Txn) error {
		return tx.Put(f.scope.body("a", Rev{1, "000001"}), []byte("damaged"))
	}))
	f.compact()
	require.Zero(t, f.keys(kindBody)+f.keys(kindDue))
}
