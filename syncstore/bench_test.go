package syncstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

func benchCollection(b *testing.B) *Collection {
	b.Helper()
	eng, err := badger.Open(b.TempDir(), badger.Options{Memory: 1 << 30})
	require.NoError(b, err)
	store, err := Open(b.Context(), eng, Options{Cache: 128 << 20})
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close(); _ = eng.Close() })
	db, err := store.CreateDatabase(b.Context(), "db")
	require.NoError(b, err)
	return db.Default()
}

var benchBody = []byte(`{"text":"` + strings.Repeat("x", 1000) + `"}`)

func BenchmarkWriteNew64Writers(b *testing.B) {
	c := benchCollection(b)
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := c.Write(context.Background(), []Edit{{ID: fmt.Sprintf("doc%010d", n.Add(1)), Body: benchBody}}, WriteOptions{})
			if r[0].Err != nil {
				b.Error(r[0].Err)
			}
		}
	})
}

func BenchmarkWriteBulk100(b *testing.B) {
	c := benchCollection(b)
	n := 0
	for b.Loop() {
		edits := make([]Edit, 100)
		for i := range edits {
			n++
			edits[i] = Edit{ID: fmt.Sprintf("doc%010d", n), Body: benchBody}
		}
		for _, r := range c.Write(context.Background(), edits, WriteOptions{}) {
			require.NoError(b, r.Err)
		}
	}
}

func BenchmarkEngineAloneGroupsOf64(b *testing.B) {
	c := benchCollection(b)
	n := 0
	for b.Loop() {
		err := c.store.engine.Update(context.Background(), func(tx engine.Txn) error {
			for range 64 {
				n++
				if err := tx.Put(c.scope.head(fmt.Sprintf("doc%010d", n)), benchBody); err != nil {
					return err
				}
				if err := tx.Put(c.scope.seq(uint64(n)), benchBody[:90]); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(b, err)
	}
}

func BenchmarkChanges1000(b *testing.B) {
	c := benchCollection(b)
	for n := range 200 {
		edits := make([]Edit, 100)
		for i := range edits {
			edits[i] = Edit{ID: fmt.Sprintf("doc%010d", n*100+i), Body: benchBody}
		}
		c.Write(context.Background(), edits, WriteOptions{})
	}
	since := uint64(0)
	for b.Loop() {
		last, err := c.Changes(context.Background(), ChangesOptions{Since: At(since % 19000), Limit: 1000}, func(*Change) error { return nil })
		require.NoError(b, err)
		since = last.Seq
	}
}

// BenchmarkPropose200 is a batch of Couchbase Lite's: of new documents, and of edits.
func BenchmarkPropose200(b *testing.B) {
	c := benchCollection(b)
	edits := make([]Edit, 200)
	fresh, known := make([]Proposal, 200), make([]Proposal, 200)
	for round := range 10 {
		for i := range edits {
			edits[i] = Edit{ID: fmt.Sprintf("doc%010d", 200*round+i), Body: benchBody}
		}
		for i, r := range c.Write(context.Background(), edits, WriteOptions{}) {
			require.NoError(b, r.Err)
			known[i] = Proposal{ID: r.ID, Rev: Rev{2, "ab"}, Parent: r.Rev}
			fresh[i] = Proposal{ID: fmt.Sprintf("new%010d", i), Rev: Rev{1, "ab"}}
		}
	}
	for name, proposals := range map[string][]Proposal{"new": fresh, "edits": known} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answers, err := c.Propose(context.Background(), nil, proposals)
				if err != nil || answers[0].Status != ProposalWanted {
					b.Fatal(answers, err)
				}
			}
		})
	}
}

func BenchmarkGetCached(b *testing.B) {
	c := benchCollection(b)
	c.Write(context.Background(), []Edit{{ID: "a", Body: benchBody}}, WriteOptions{})
	for b.Loop() {
		if _, err := c.Get(context.Background(), "a", GetOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoleOfManyMembers is what a feed costs whose viewer has 50 channels, and a role that
// gains or loses a channel: to its first rows.
func BenchmarkRoleOfManyMembers(b *testing.B) {
	c := benchCollection(b)
	c.SetPolicy(Policy{Evaluator: namedPolicy{}})
	edits := make([]Edit, 100)
	for i := range edits {
		edits[i] = Edit{ID: fmt.Sprintf("doc%010d", i), Body: []byte(`{"channels":["big"]}`)}
	}
	c.Write(context.Background(), edits, WriteOptions{})
	give := func(principal string, given ...Given) {
		require.NoError(b, c.store.Records().Update(context.Background(), func(tx RecordTx) error {
			tx.SetGrants(c.db.ID(), principal, GrantedByAdmin, given)
			return nil
		}))
	}
	self := Given{Role: "crowd"}
	give(RolePrincipal("crowd"), self)
	feeds := make([]*Feed, 1000)
	for i := range feeds {
		name := fmt.Sprintf("member%d", i)
		given := []Given{self}
		for n := range 50 {
			given = append(given, Given{Channel: fmt.Sprintf("c%d", (i+n*n)%10_000), Everywhere: true})
		}
		give(name, given...)
		feeds[i] = c.Follow(At(c.db.Info().Seq), FeedOptions{Viewer: &Viewer{Name: name}, Revocations: true})
		defer feeds[i].Close()
		if n, err := feeds[i].Read(context.Background(), 0, func(*Change) error { return nil }); n != 0 || err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		at := n % len(feeds)
		if at == 0 {
			b.StopTimer()
			given := []Given{self}
			if n/len(feeds)%2 == 0 {
				given = append(given, Given{Channel: "big", Everywhere: true})
			}
			for _, feed := range feeds { // those that go on with the rows of before
				for range 20 {
					if _, err := feed.Read(context.Background(), 0, func(*Change) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
			}
			give(RolePrincipal("crowd"), given...)
			b.StartTimer()
		}
		for rows := 0; rows == 0; { // now and then a feed is Ready for nothing
			<-feeds[at].Ready()
			var err error
			if rows, err = feeds[at].Read(context.Background(), 0, func(*Change) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
}
