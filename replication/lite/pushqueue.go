package lite

import (
	"errors"
	"slices"
	"sync"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// maxWriting is how many batches of one connection are prepared or committed at once:
	// while one waits for its commit, the next gathers.
	maxWriting = 3
	// maxFetching is how many revisions of one connection wait for attachments at once. Each
	// holds the chunk of an upload.
	maxFetching = 8
	// maxEdits and maxEditBytes bound a batch.
	maxEdits     = 200
	maxEditBytes = 1 << 20
	// maxUnwanted and maxUnwantedBytes bound the revisions that wait and whose sender wants no
	// answer. Those that are to be answered the connection bounds.
	maxUnwanted      = 1000
	maxUnwantedBytes = 32 << 20
	// maxGrown bounds the bodies that deltas made and that are not written yet, in bytes: the
	// connection knows only of the deltas. Clients bound what is not answered by 2 MiB.
	maxGrown = 32 << 20
)

// pushQueue takes in the revisions of one connection: each document's in their order, one
// after the other, those of different documents in batches. It has goroutines only while
// there is something to do.
type pushQueue struct {
	r *replication

	mu sync.Mutex
	// ready are those that can be prepared or written.
	ready   []*push
	writing int
	// batches is the number of the last batch that was begun, underWay are those that have not
	// ended. refused are pushes that are judged again when those have ended that went on beside
	// theirs: one of them may bring what they were refused for.
	batches  int
	underWay []*pushBatch
	refused  []*push
	// fetchable are those that wait for attachments.
	fetchable []*push
	fetching  int
	// behind has a member for each document that a push is under way of: those that came
	// after it. nil if there is none: a map does not give back what it grew to.
	behind map[pushKey][]*push
	// unwanted and unwantedBytes are of those that want no answer.
	unwanted, unwantedBytes int
	// grown are the bytes that deltas made.
	grown int

	closed bool
	all    sync.WaitGroup
}

// pushBatch is what is written together.
type pushBatch struct {
	number int
	beside bool // there was another one under way
}

// pushKey is a document.
type pushKey struct {
	ks *keyspace
	id string
}

func (p *push) key() pushKey { return pushKey{p.ks, p.id} }

func (u *pushQueue) init(r *replication) { u.r = r }

// close drops what waits and waits for what runs. The connection has ended before.
func (u *pushQueue) close() {
	u.mu.Lock()
	u.closed, u.ready, u.fetchable, u.refused = true, nil, nil, nil
	clear(u.behind)
	u.mu.Unlock()
	u.all.Wait()
}

// take queues a push.
func (u *pushQueue) take(p *push) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	if p.q.NoReply {
		if u.unwanted == maxUnwanted || u.unwantedBytes > maxUnwantedBytes {
			u.r.drop(blip.ErrLimit)
			return
		}
		p.unwanted = p.q.Memory()
		u.unwanted++
		u.unwantedBytes += p.unwanted
	}
	waiting, underWay := u.behind[p.key()]
	if underWay {
		u.behind[p.key()] = append(waiting, p)
		return
	}
	if u.behind == nil {
		u.behind = make(map[pushKey][]*push)
	}
	u.behind[p.key()] = nil
	u.write(p)
}

// write has a push prepared and written. The lock is held.
func (u *pushQueue) write(p *push) {
	u.ready = append(u.ready, p)
	if u.writing < maxWriting {
		u.writing++
		u.start(u.writeAll)
	}
}

// start runs work beside.
func (u *pushQueue) start(work func()) {
	u.all.Go(func() {
		defer u.r.recovered()
		work()
	})
}

// writeAll writes batches until nothing waits.
func (u *pushQueue) writeAll() {
	for batch := u.next(); batch != nil; batch = u.next() {
		u.writeBatch(batch)
	}
}

// next takes what waits of one collection, within bounds.
func (u *pushQueue) next() []*push {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.ready) == 0 {
		u.writing--
		u.ready = nil
		return nil
	}
	var batch, rest []*push
	bytes := 0
	for i, p := range u.ready {
		if len(batch) == maxEdits || bytes > maxEditBytes {
			rest = append(rest, u.ready[i:]...)
			break
		}
		if p.ks != u.ready[0].ks {
			rest = append(rest, p)
			continue
		}
		batch = append(batch, p)
		bytes += p.size
	}
	u.ready = rest
	return batch
}

// writeBatch prepares pushes of one collection and writes those that have what they need.
func (u *pushQueue) writeBatch(batch []*push) {
	edits := make([]syncstore.Edit, 0, len(batch))
	written := batch[:0]
	for _, p := range batch {
		switch wait, err := p.prepare(u.r); {
		case err != nil:
			u.finish(p, err)
		case wait:
			u.fetch(p)
		default:
			edits, written = append(edits, p.edit), append(written, p)
		}
	}
	if len(edits) == 0 {
		return
	}
	under := u.beginBatch()
	results := u.writeEdits(written[0].ks.coll, edits)
	u.r.conn.Together(func() {
		for i, p := range written {
			u.written(p, under, results[i].Err)
		}
	})
	u.endBatch(under)
}

func (u *pushQueue) beginBatch() *pushBatch {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.batches++
	b := &pushBatch{number: u.batches, beside: len(u.underWay) > 0}
	for _, other := range u.underWay {
		other.beside = true
	}
	u.underWay = append(u.underWay, b)
	return b
}

// endBatch has those pushes written again that waited for it.
func (u *pushQueue) endBatch(b *pushBatch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.underWay = slices.DeleteFunc(u.underWay, func(other *pushBatch) bool { return other == b })
	refused := u.refused
	u.refused = nil
	for _, p := range refused {
		if slices.ContainsFunc(u.underWay, func(other *pushBatch) bool { return other.number <= p.after }) {
			u.refused = append(u.refused, p)
		} else {
			u.write(p)
		}
	}
}

// judgeAgain keeps a push of a batch that was refused until the batches beside it have ended. It
// returns false if there were none, or if that was done before.
func (u *pushQueue) judgeAgain(p *push, b *pushBatch) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.after != 0 || !b.beside || u.closed {
		return false
	}
	p.letGo()
	p.after = u.batches
	u.refused = append(u.refused, p)
	return true
}

// written goes on with a push of a batch that was handed to the store.
func (u *pushQueue) written(p *push, b *pushBatch, err error) {
	if errors.Is(err, syncstore.ErrRejected) && u.judgeAgain(p, b) {
		return
	}
	if errors.Is(err, syncstore.ErrMissingStub) && !p.anew {
		// Somebody took away meanwhile what the revision keeps.
		p.anew, p.edit.Attachments = true, nil
		u.fetch(p)
		return
	}
	u.finish(p, err)
}

// writeEdits writes edits together. If a record of one is damaged, those of the others are not
// to blame: each is written by itself then.
func (u *pushQueue) writeEdits(coll *syncstore.Collection, edits []syncstore.Edit) []syncstore.WriteResult {
	o := syncstore.WriteOptions{Viewer: u.r.peer.Viewer}
	results := coll.Write(u.r.ctx, edits, o)
	for i := range results {
		if len(edits) > 1 && errors.Is(results[i].Err, syncstore.ErrDamagedDocument) {
			results[i] = coll.Write(u.r.ctx, edits[i:i+1], o)[0]
		}
	}
	return results
}

// fetch has the attachments of a push fetched. Others go on meanwhile.
func (u *pushQueue) fetch(p *push) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	p.letGo()
	u.fetchable = append(u.fetchable, p)
	if u.fetching < maxFetching {
		u.fetching++
		u.start(u.fetchAll)
	}
}

// fetchAll fetches attachments until no push waits for any.
func (u *pushQueue) fetchAll() {
	for p := u.nextFetch(); p != nil; p = u.nextFetch() {
		if err := p.fetchAttachments(u.r); err != nil {
			u.finish(p, err)
			continue
		}
		u.mu.Lock()
		if !u.closed {
			u.write(p)
		}
		u.mu.Unlock()
	}
}

func (u *pushQueue) nextFetch() *push {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.fetchable) == 0 {
		u.fetching--
		u.fetchable = nil
		return nil
	}
	p := u.fetchable[0]
	u.fetchable = u.fetchable[1:]
	return p
}

// grow counts the body that a delta made, until the push is finished. It returns false if there
// are too many.
func (u *pushQueue) grow(p *push, bytes int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.grown > 0 && u.grown+bytes > maxGrown {
		return false
	}
	u.grown += bytes
	p.grown = bytes
	return true
}

// finish answers a push, after its commit or with what stopped it, and lets the next of the
// document go on.
func (u *pushQueue) finish(p *push, err error) {
	if err != nil {
		if errors.Is(err, syncstore.ErrRejected) {
			u.r.peer.Rejected()
		}
		u.r.refuse(p.q, asRefusal(err))
	} else {
		u.r.server.counters.DocumentsPushed.Add(1)
		u.r.peer.Activity.Received(p.ks.coll.ScopeName(), p.ks.coll.Name())
		p.q.Reply(&blip.Message{})
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	if p.q.NoReply {
		u.unwanted--
		u.unwantedBytes -= p.unwanted
	}
	u.grown -= p.grown
	waiting := u.behind[p.key()]
	if len(waiting) == 0 {
		if delete(u.behind, p.key()); len(u.behind) == 0 {
			u.behind = nil
		}
		return
	}
	u.behind[p.key()] = waiting[1:]
	u.write(waiting[0])
}
