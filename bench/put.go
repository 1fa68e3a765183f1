package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	putConns  = 64
	putBar    = 0.35
	bulkConns = 16
	bulkBatch = 100
	bulkBar   = 0.60
)

// putter writes documents: new ones, or new revisions of those with a number that leaves
// its own remainder, so that no two putters meet.
type putter struct {
	bench   *bench
	person  *person
	counter *atomic.Int64 // of the next new document; nil to update
	random  *rand.Rand
	number  int
	current int // the document of the request that is out
	body    []byte
}

func (p *putter) request(b []byte) []byte {
	b = append(b, "PUT /notes/"...)
	if p.counter != nil {
		p.current = int(p.counter.Add(1))
		p.body = appendBody(p.body[:0], p.current)
	} else {
		p.current = p.random.IntN(p.bench.docs/putConns)*putConns + p.number
		p.body = append(append(append(p.body[:0], `{"_rev":"`...), p.bench.revs[p.current]...), `",`...)
		p.body = append(appendMembers(p.body, p.current, bodySize-2), '}')
	}
	b = append(appendID(b, p.current), " HTTP/1.1\r\nHost: localhost\r\n"...)
	return withBody(p.person.cookie(b), p.body)
}

func (p *putter) answer(c *conn) error {
	if c.status != http.StatusCreated {
		return c.unexpected()
	}
	if p.counter == nil {
		_, rev, _ := bytes.Cut(c.body, []byte(`"rev":"`))
		p.bench.revs[p.current] = string(textUntil(rev, '"'))
	}
	return nil
}

// written is what a round of writing came to.
type written struct {
	perSecond, syncs float64
	p99              time.Duration
	cost             float64 // CPU of the server, µs a document
	clients          float64 // CPU of the bench's own clients, µs a document; 0 where it is not measured
}

// group is how many documents the committer wrote with one sync.
func (w written) group() float64 { return w.perSecond / w.syncs }

// write measures writing, a number of documents with each request.
func (b *bench) write(ctx context.Context, name string, d time.Duration, each int, exchanges []exchange) (written, error) {
	before, err := b.counters(ctx)
	if err != nil {
		return written{}, err
	}
	m, cpu, err := b.costed(func() (measure, error) { return b.profiled(ctx, name, d, exchanges) })
	if err != nil {
		return written{}, err
	}
	after, err := b.counters(ctx)
	return written{
		perSecond: m.perSecond() * float64(each), syncs: float64(after.Commits-before.Commits) / m.took.Seconds(),
		p99: m.p99, cost: cpu / float64(each),
	}, err
}

// putRows compares single writes with the engine alone, on a copy of the same store.
func (b *bench) putRows(ctx context.Context) error {
	if err := b.learnRevisions(); err != nil {
		return err
	}
	for _, update := range []bool{false, true} {
		name, what := "put-new", "new documents"
		if update {
			name, what = "put-update", "updates"
		}
		counter := new(atomic.Int64)
		counter.Store(int64(b.next))
		exchanges := make([]exchange, putConns)
		for i := range exchanges {
			p := &putter{
				bench: b, person: &b.people[i%len(b.people)], number: i,
				random: rand.New(rand.NewPCG(uint64(i), 3)),
			}
			if !update {
				p.counter = counter
			}
			exchanges[i] = p
		}
		compared, err := b.againstEngine(ctx, update, func() (written, error) {
			return b.write(ctx, name, b.put/time.Duration(b.rounds), 1, exchanges)
		})
		if err != nil {
			return err
		}
		b.next = max(b.next, int(counter.Load()))
		b.add(compared.row(fmt.Sprintf("PUT at %d writers, synced, %s, on %s documents",
			putConns, what, thousands(float64(b.docs))), putBar))
	}
	return nil
}

// bulker writes new documents in bulk.
type bulker struct {
	person  *person
	counter *atomic.Int64
	body    []byte
}

func (u *bulker) request(b []byte) []byte {
	to := int(u.counter.Add(bulkBatch))
	u.body = append(u.body[:0], `{"docs":[`...)
	for i := to - bulkBatch + 1; i <= to; i++ {
		u.body = append(u.body, `{"_id":"`...)
		u.body = append(appendID(u.body, i), `",`...)
		u.body = append(appendMembers(u.body, i, bodySize-2), "},"...)
	}
	u.body = append(u.body[:len(u.body)-1], "]}"...)
	return withBody(u.person.cookie(append(b, "POST /notes/_bulk_docs HTTP/1.1\r\nHost: localhost\r\n"...)), u.body)
}

func (*bulker) answer(c *conn) error {
	if c.status != http.StatusCreated || bytes.Count(c.body, []byte(`"rev"`)) != bulkBatch {
		return c.unexpected()
	}
	return nil
}

func (b *bench) bulkRow(ctx context.Context) error {
	counter := new(atomic.Int64)
	counter.Store(int64(b.next))
	exchanges := make([]exchange, bulkConns)
	for i := range exchanges {
		exchanges[i] = &bulker{person: &b.people[i%len(b.people)], counter: counter}
	}
	compared, err := b.againstEngine(ctx, false, func() (written, error) {
		return b.write(ctx, "bulk", b.put/time.Duration(b.rounds), bulkBatch, exchanges)
	})
	if err != nil {
		return err
	}
	b.next = max(b.next, int(counter.Load()))
	b.add(compared.row(fmt.Sprintf("`_bulk_docs` of %d at %d writers, synced", bulkBatch, bulkConns), bulkBar))
	return nil
}

// comparison is writing through the server and to the engine alone, in turn.
type comparison struct {
	ours  []written
	alone []aloneRate
}

func (c comparison) row(work string, bar float64) row {
	var ours, syncs, group, cost, clients, alone, aloneSyncs []float64
	var p99 []time.Duration
	for i, w := range c.ours {
		ours, syncs, group = append(ours, w.perSecond), append(syncs, w.syncs), append(group, w.group())
		cost, clients, p99 = append(cost, w.cost), append(clients, w.clients), append(p99, w.p99)
		alone, aloneSyncs = append(alone, c.alone[i].perSecond), append(aloneSyncs, c.alone[i].syncs)
	}
	r := atLeast(work, bar, median(ours), median(alone), "the engine alone", "documents/s")
	r.notes = []string{
		fmt.Sprintf("%s syncs/s, %.0f documents a sync; alone %s syncs/s", thousands(median(syncs)), median(group), thousands(median(aloneSyncs))),
		fmt.Sprintf("p99 %s", median(p99).Round(10*time.Microsecond)),
		fmt.Sprintf("server CPU %.1f µs a document", median(cost)),
	}
	if clients := median(clients); clients > 0 {
		r.notes = append(r.notes, fmt.Sprintf("the clients' CPU %.1f µs a document", clients))
	}
	return r
}

// againstEngine writes through the server and to the engine alone, in turn. The engine
// works on a copy of the store as it was before.
func (b *bench) againstEngine(ctx context.Context, update bool, write func() (written, error)) (comparison, error) {
	var c comparison
	if err := b.server.Stop(); err != nil {
		return c, err
	}
	folder := b.server.Dir + "/alone"
	if err := b.copyStore(ctx, folder); err != nil {
		return c, err
	}
	if err := b.server.Restart(ctx); err != nil {
		return c, err
	}
	a, err := openAlone(ctx, folder)
	if err != nil {
		return c, err
	}
	// A round of the engine alone lasts as long as one of the server does: a shorter one fits
	// in a memtable, and leaves to the pause after it what the server pays meanwhile, which is
	// writing tables and merging them.
	docs, started := aloneProbe, 0
	round := func(group float64) (aloneRate, error) {
		edits := make([]syncstore.Edit, docs)
		for i := range edits {
			number := b.next + 2_000_000 + started + i // documents that the server does not write
			if update {
				number = (started + i) * 7 % b.docs
			}
			edits[i] = syncstore.Edit{ID: documentID(number), Body: appendBody(nil, number)}
		}
		started += docs
		return a.measure(ctx, b.calm, edits, max(1, int(group+0.5)))
	}
	for i := range b.rounds {
		if err := b.calm(ctx); err != nil {
			return c, err
		}
		w, err := write()
		if err != nil {
			return c, err
		}
		if i == 0 {
			probe, err := round(w.group())
			if err != nil {
				return c, err
			}
			docs = aloneDocs(probe, b.put/time.Duration(b.rounds))
		}
		rate, err := round(w.group())
		if err != nil {
			return c, err
		}
		docs = aloneDocs(rate, b.put/time.Duration(b.rounds))
		c.ours, c.alone = append(c.ours, w), append(c.alone, rate)
	}
	return c, a.close()
}

const (
	aloneProbe = 8000    // documents of the first round, which is not counted
	aloneMost  = 600_000 // documents of a round, for they are kept in memory, some 3 KB each
)

// aloneDocs is how many documents the engine alone writes in a time, by how fast it was.
func aloneDocs(r aloneRate, d time.Duration) int {
	return min(max(int(r.perSecond*d.Seconds()), aloneProbe), aloneMost)
}

// putNew writes a new document on a connection of its own.
func (b *bench) putNew() error {
	c, err := dial(b.address())
	if err != nil {
		return err
	}
	defer c.close()
	n := int(b.fresh.Add(1))
	request := withBody(b.people[0].cookie(head(nil, http.MethodPut, fmt.Sprintf("/notes/n%d-%d", time.Now().UnixNano(), n))), appendBody(nil, n))
	if err := c.do(request); err != nil {
		return err
	}
	if c.status != http.StatusCreated {
		return c.unexpected()
	}
	return nil
}
