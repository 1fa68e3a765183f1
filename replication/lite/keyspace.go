package lite

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

// defaultName is the name of the default collection and of its scope.
const defaultName = "_default"

// maxFeeds is how many feeds of a collection may be there at once: one that goes on, and
// others that are over but for what the client has not answered.
const maxFeeds = 8

// keyspace is a collection as one connection knows it.
type keyspace struct {
	r    *replication
	coll *syncstore.Collection
	// index is what messages name the collection by, -1 where they name none.
	index int

	mu sync.Mutex
	// feed is what the client subscribed to, nil if nothing is followed.
	feed *feed
	// feeds are those that run, the ending ones too.
	feeds int
	// deltas: the client takes deltas. It says so once (reference/blip.md 3.5).
	deltas bool
	// awaited are the documents of which the client waits for the revision that is here.
	awaited awaited
}

func newKeyspace(r *replication, c *syncstore.Collection, index int) *keyspace {
	return &keyspace{r: r, coll: c, index: index}
}

// begin makes f what the client follows, if it follows nothing yet.
func (ks *keyspace) begin(f *feed) error {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	switch {
	case ks.feed != nil:
		return refuse(http.StatusConflict, "The changes of this collection are followed already.")
	case ks.feeds == maxFeeds:
		return refuse(http.StatusConflict, "Earlier changes of this collection have not been answered.")
	}
	if err := ks.r.beginFeed(ks); err != nil {
		return err
	}
	ks.feed = f
	ks.feeds++
	ks.r.peer.Activity.Follows(ks.coll.ScopeName(), ks.coll.Name())
	return nil
}

// release says that f follows no changes any more: another one may begin.
func (ks *keyspace) release(f *feed) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.feed == f {
		ks.feed = nil
	}
}

// ended says that f is over.
func (ks *keyspace) ended(f *feed) {
	ks.release(f)
	ks.mu.Lock()
	ks.feeds--
	ks.mu.Unlock()
	ks.r.endFeed()
}

// properties begin a message about the collection.
func (ks *keyspace) properties(profile string, more ...blip.Property) blip.Properties {
	p := make(blip.Properties, 0, 10)
	p = append(p, blip.Property{Name: "Profile", Value: profile})
	if ks.index >= 0 {
		p = append(p, blip.Property{Name: "collection", Value: strconv.Itoa(ks.index)})
	}
	return append(p, more...)
}

// takesDeltas reports whether the client is sent deltas.
func (ks *keyspace) takesDeltas() bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	return ks.deltas && !ks.r.peer.NoDeltas
}
