package syncstore

import (
	"sync"
	"sync/atomic"
)

// keptBatches is how many commits a feed may be behind before it has to read the
// index again.
const keptBatches = 64

// notifier tells feeds what was committed, in a goroutine of its own: waking ten
// thousand feeds must not hold up the next commit.
type notifier struct {
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []*changeSet
	closed bool
}

func newNotifier() *notifier {
	n := &notifier{}
	n.wake = sync.NewCond(&n.mu)
	return n
}

// publish tells about the change sets of a group, in their order.
func (n *notifier) publish(sets []*changeSet) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, set := range sets {
		if set.err != nil {
			continue
		}
		if set.seq != 0 {
			n.queue = append(n.queue, set)
		}
		n.queue = append(n.queue, set.given...)
	}
	n.wake.Signal()
}

func (n *notifier) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.wake.Signal()
}

func (n *notifier) run() {
	for {
		sets, ok := n.take()
		if !ok {
			return
		}
		rows := make(map[*Database][]row)
		for _, set := range sets {
			rows[set.db] = append(rows[set.db], row{
				seq: set.seq, record: set.row, collection: set.collection, channels: set.channels, left: set.left,
				principals: set.principals,
			})
		}
		for db, rows := range rows {
			db.broadcast.publish(rows)
		}
	}
}

func (n *notifier) take() ([]*changeSet, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.queue) == 0 {
		if n.closed {
			return nil, false
		}
		n.wake.Wait()
	}
	sets := n.queue
	n.queue = nil
	return sets, true
}

// row is an encoded row of the feed, and whom it concerns.
type row struct {
	seq            uint64
	record         []byte // nil: only principals
	collection     uint32
	channels, left []string
	principals     []string
}

// broadcast is a list of batches that grows at its end. Each feed stands at a batch and
// waits for it to be filled in; a feed that is slow does not hold up others, and what it
// has not read is dropped after keptBatches.
type broadcast struct {
	// tail is to be filled in next. It moves on when all whom a batch concerns have been marked.
	tail atomic.Pointer[batch]

	mu            sync.Mutex
	subscriptions subscriptions
	filled        []*batch // the last keptBatches, oldest first
}

type batch struct {
	// since is the sequence that everything before the batch has reached.
	since uint64
	ready chan struct{} // closed when the batch is filled in

	// After ready:
	until uint64

	mu sync.Mutex
	// rows and next are nil again when the batch is too old to be kept: a feed that stands
	// at it holds it alone, not all that came after.
	rows []row
	next *batch
}

func newBroadcast(since uint64) *broadcast {
	b := &broadcast{subscriptions: subscriptions{}}
	b.tail.Store(newBatch(since))
	return b
}

func newBatch(since uint64) *batch {
	return &batch{since: since, ready: make(chan struct{})}
}

// end returns the batch that will be filled in next.
func (b *broadcast) end() *batch { return b.tail.Load() }

func (b *broadcast) publish(rows []row) {
	b.advance(rows[len(rows)-1].seq, rows)
}

// skip says that the database has reached a sequence by commits whose rows are not
// known: feeds read the index.
func (b *broadcast) skip(until uint64) {
	b.advance(until, nil)
}

func (b *broadcast) advance(until uint64, rows []row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	filled := b.tail.Load()
	next := newBatch(until)
	filled.until = until
	filled.rows, filled.next = rows, next
	b.filled = append(b.filled, filled)
	if len(b.filled) > keptBatches {
		b.filled[0].drop()
		b.filled = b.filled[1:]
	}
	close(filled.ready)
	if rows == nil {
		b.subscriptions.tellAll(filled)
	} else {
		b.subscriptions.tell(filled)
	}
	b.tail.Store(next)
}

func (b *batch) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows, b.next = nil, nil
}

// kept returns the batch's rows, if they are kept, and the batch after it, nil if this
// one is too old.
func (b *batch) kept() ([]row, *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows, b.next
}
