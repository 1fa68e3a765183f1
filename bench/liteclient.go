package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/coder/websocket"
)

// liteProtocol is what the bench's clients speak: that of Couchbase Lite 3.
const liteProtocol = "BLIP_3+CBMobile_3"

// liteConn is a connection of a client of Couchbase Lite.
type liteConn struct {
	*blip.Conn
	ended chan struct{}
}

// dialLite opens a connection for a person, with a session.
func (b *bench) dialLite(ctx context.Context, db string, p *person, handle func(*blip.Request)) (*liteConn, error) {
	if handle == nil {
		handle = func(*blip.Request) {}
	}
	header := http.Header{"Cookie": {"SyncGatewaySession=" + p.session}}
	conn, res, err := blip.Dial(ctx, "ws://"+b.address()+"/"+db+"/_blipsync", &websocket.DialOptions{
		HTTPHeader: header, Subprotocols: []string{liteProtocol}, Host: "localhost",
	}, blip.Options{Handle: handle})
	if err != nil {
		if res != nil {
			return nil, fmt.Errorf("connecting to Couchbase Lite's endpoint: %s: %w", res.Status, err)
		}
		return nil, fmt.Errorf("connecting to Couchbase Lite's endpoint: %w", err)
	}
	c := &liteConn{Conn: conn, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = c.Run(ctx) // what waits for an answer learns of the end
	}()
	return c, nil
}

func (c *liteConn) close() {
	c.Drop(blip.ErrClosed)
	<-c.ended
}

// profile makes a request of a profile.
func profile(name string, more ...blip.Property) *blip.Message {
	return &blip.Message{Properties: append(blip.Properties{{Name: "Profile", Value: name}}, more...)}
}

// litePush pushes new documents on one connection, as a client does: it proposes 200, sends
// those that are wanted, and goes on while the last are being answered.
type litePush struct {
	conn     *liteConn
	next     func() int // the number of the next document
	mu       sync.Mutex
	answered sync.Cond
	open     int
	times    []time.Duration
	err      error
}

const (
	liteBatch = 200
	// liteOpen is how many revisions a client has on the way at most.
	liteOpen = 400
)

func newLitePush(c *liteConn, next func() int) *litePush {
	p := &litePush{conn: c, next: next}
	p.answered.L = &p.mu
	return p
}

func (p *litePush) run(ctx context.Context, end time.Time) error {
	for n := 0; time.Now().Before(end) && ctx.Err() == nil; n++ {
		if err := p.batch(ctx); err != nil {
			return err
		}
	}
	return p.wait(0)
}

func (p *litePush) batch(ctx context.Context) error {
	type proposal [4]any
	numbers := make([]int, liteBatch)
	proposals := make([]proposal, liteBatch)
	for i := range numbers {
		numbers[i] = p.next()
		proposals[i] = proposal{documentID(numbers[i]), liteRev(numbers[i]), "", bodySize}
	}
	propose := profile("proposeChanges", blip.Property{Name: "conflictIncludesRev", Value: "true"})
	propose.Body, _ = json.Marshal(proposals)
	propose.Compressed, propose.Urgent = true, true
	answer, err := p.conn.Call(ctx, propose)
	if err != nil {
		return fmt.Errorf("proposing: %w", err)
	}
	if string(answer.Body) != "[]" {
		return fmt.Errorf("%w to proposals: %.100s", errAnswer, answer.Body)
	}
	for _, n := range numbers {
		if err := p.wait(liteOpen - 1); err != nil {
			return err
		}
		if err := p.send(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *litePush) send(ctx context.Context, n int) error {
	rev := profile("rev", blip.Property{Name: "id", Value: documentID(n)}, blip.Property{Name: "rev", Value: liteRev(n)},
		blip.Property{Name: "sequence", Value: fmt.Sprint(n)}, blip.Property{Name: "noconflicts", Value: "1"})
	rev.Body, rev.Compressed = appendBody(nil, n), true
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	began := time.Now()
	return p.conn.Start(ctx, rev, func(_ *blip.Response, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open--
		p.times = append(p.times, time.Since(began))
		if err != nil && p.err == nil {
			p.err = fmt.Errorf("pushing: %w", err)
		}
		p.answered.Signal()
	})
}

// wait waits until at most so many revisions are on the way.
func (p *litePush) wait(most int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.open > most && p.err == nil {
		p.answered.Wait()
	}
	return p.err
}

// liteRev is the revision of a new document.
func liteRev(n int) string { return fmt.Sprintf("1-%040x", n) }

// litePull pulls everything on one connection and forgets it.
type litePull struct {
	ctx  context.Context //nolint:containedctx // of one pull
	conn *liteConn
	mu   sync.Mutex
	due  int // revisions asked for that did not come
	got  int
	over bool // everything was offered
	done chan struct{}
	once sync.Once
}

func (b *bench) newLitePull(ctx context.Context, p *person) (*litePull, error) {
	pull := &litePull{ctx: ctx, done: make(chan struct{})}
	var err error
	pull.conn, err = b.dialLite(ctx, "notes", p, pull.take)
	return pull, err
}

// take answers what the server sends.
func (p *litePull) take(r *blip.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Profile() {
	case "changes":
		p.offered(r)
	case "rev", "norev":
		p.due--
		p.got++
		if !r.NoReply {
			r.Reply(&blip.Message{})
		}
	}
	if p.over && p.due == 0 {
		p.once.Do(func() { close(p.done) })
	}
}

func (p *litePull) offered(r *blip.Request) {
	var rows []json.RawMessage
	_ = json.Unmarshal(r.Body, &rows) // null is none
	if len(rows) == 0 {
		p.over = true
		return
	}
	p.due += len(rows)
	answer := []byte{'['}
	for range rows {
		answer = append(answer, "[],"...)
	}
	answer[len(answer)-1] = ']'
	r.Reply(&blip.Message{
		Properties: blip.Properties{{Name: "maxHistory", Value: "50"}, {Name: "blobs", Value: "true"}}, Body: answer, Compressed: true,
	})
}

// run pulls until everything is there and returns how many documents that were.
func (p *litePull) run() (int, error) {
	subscribe := profile("subChanges", blip.Property{Name: "batch", Value: fmt.Sprint(liteBatch)},
		blip.Property{Name: "activeOnly", Value: "true"}, blip.Property{Name: "revocations", Value: "true"})
	if _, err := p.conn.Call(p.ctx, subscribe); err != nil {
		return 0, fmt.Errorf("subscribing: %w", err)
	}
	select {
	case <-p.done:
	case <-p.conn.ended:
		return 0, fmt.Errorf("pulling: %w", blip.ErrClosed)
	case <-p.ctx.Done():
		return 0, p.ctx.Err() //nolint:wrapcheck // the run's own
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got, nil
}
