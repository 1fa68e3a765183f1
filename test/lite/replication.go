package lite

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/coder/websocket"
)

// Config says what a replication does.
type Config struct {
	// URL is the database's: ws://host/db.
	URL        string
	Push, Pull bool
	Continuous bool
	// Collections are the names; none: the default collection.
	Collections []string
	// DocIDs, Channels and Filter narrow the pull.
	DocIDs   []string
	Channels []string
	Filter   string
	// Header goes with the handshake: credentials.
	Header http.Header
	// DropAfter cuts the connection after so many messages of the server; 0: never.
	DropAfter int
	// PushLast sends revisions only when the pull has caught up.
	PushLast bool
	// ForgetCheckpointRev does not read the revision of a checkpoint that getCollections
	// returned, as LiteCore does not that of Sync Gateway, which calls it _rev.
	ForgetCheckpointRev bool
	// RefuseDeltas answers deltas of the server by 422, and NoDeltas does not say that it
	// takes any, nor send any.
	RefuseDeltas, NoDeltas bool
	// Meanwhile, if not nil, is called when changes came and before they are answered.
	Meanwhile func()
	// Heartbeat is how often the server is pinged; 0: not at all.
	Heartbeat time.Duration
	// Timeout is how long a one-shot replication may take; 0: 20 s.
	Timeout time.Duration
}

// Replication is one connection of a device with a server.
type Replication struct {
	device   *Device
	config   Config
	tap      *tap
	conn     *blip.Conn
	ws       *websocket.Conn
	protocol int

	sides       []*side
	collections bool // getCollections was answered: every message carries its collection
	failure     *Error
	finishing   bool

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	queue     []func()
	wake      chan struct{}
	documents map[string]*Error
	idle      bool
}

// side is one collection in a replication.
type side struct {
	r          *Replication
	c          *Collection
	index      int
	checkpoint checkpointer
	push       pusher
	pull       puller
}

// Start begins to replicate.
func (d *Device) Start(config Config) *Replication {
	d.t.Helper()
	if config.Timeout == 0 {
		config.Timeout = 20 * time.Second
	}
	if config.Continuous {
		config.Timeout = time.Hour
	}
	r := &Replication{
		device: d, config: config, done: make(chan struct{}), wake: make(chan struct{}, 1),
		documents: make(map[string]*Error),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	names := config.Collections
	if len(names) == 0 {
		names = []string{DefaultCollection}
	}
	for i, name := range names {
		r.sides = append(r.sides, newSide(r, d.Collection(name), i))
	}
	go r.run()
	return r
}

// Sync replicates once, and fails the test if that ends with an error.
func (d *Device) Sync(config Config) *Replication {
	d.t.Helper()
	r := d.Start(config)
	if err := r.Wait(); err != nil {
		d.t.Errorf("%s device: the replication ended: %v", d.version, err)
	}
	return r
}

// Wait waits until the replication is over, and returns why: nil if it has done what it was
// to do, or was stopped.
func (r *Replication) Wait() error {
	<-r.done
	if r.failure != nil {
		return r.failure
	}
	return nil
}

// Stop ends the replication as an app does.
func (r *Replication) Stop() {
	r.post(func() { r.finish(websocket.StatusNormalClosure, "", nil) })
	<-r.done
}

// Drop breaks the connection.
func (r *Replication) Drop() {
	r.post(func() {
		if r.tap != nil {
			_ = r.tap.Conn.Close()
		}
	})
	<-r.done
}

// Messages is what went over the connection so far.
func (r *Replication) Messages() []Message {
	r.mu.Lock()
	t := r.tap
	r.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.recorded()
}

// DocumentErrors are the documents that were not replicated, by ID.
func (r *Replication) DocumentErrors() map[string]*Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.documents)
}

// WaitIdle waits until a continuous replication has nothing to do.
func (r *Replication) WaitIdle(tb testing.TB) {
	tb.Helper()
	deadline := time.Now().Add(r.waits())
	for {
		r.mu.Lock()
		idle := r.idle
		r.mu.Unlock()
		select {
		case <-r.done:
			tb.Errorf("the replication ended: %v", r.failure)
			return
		default:
		}
		if idle {
			return
		}
		if time.Now().After(deadline) {
			tb.Errorf("%s device: the replication does not come to rest: %s", r.device.version, r.state())
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *Replication) waits() time.Duration { return min(r.config.Timeout, 20*time.Second) }

// post hands something to the goroutine of the replication.
func (r *Replication) post(do func()) {
	r.mu.Lock()
	r.queue = append(r.queue, do)
	r.idle = false
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Replication) run() {
	defer close(r.done)
	defer r.cancel()
	ws, err := r.dial(r.ctx)
	if err != nil {
		errors.As(err, &r.failure)
		return
	}
	r.ws = ws
	r.conn = blip.NewConn(ws, blip.Options{Handle: func(request *blip.Request) {
		r.post(func() { r.handle(request) })
	}})
	over := make(chan error, 1)
	go func() { over <- r.conn.Run(r.ctx) }()
	for _, s := range r.sides {
		stop := s.c.watch(func() { r.post(s.changed) })
		defer stop()
	}
	if r.config.Heartbeat > 0 {
		go r.heartbeat()
	}
	r.begin()
	r.loop(over)
}

// loop does what was posted until the connection is over.
func (r *Replication) loop(over <-chan error) {
	timeout := time.NewTimer(r.config.Timeout)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		queue := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, do := range queue {
			do()
		}
		if len(queue) > 0 {
			r.rest()
			continue
		}
		select {
		case <-r.wake:
		case err := <-over:
			if !r.finishing {
				r.failure = r.ended(err)
			}
			return
		case <-timeout.C:
			r.violate("blip.md 3.8", "the replication does not end: %s", r.state())
			r.finish(websocket.StatusNormalClosure, "", &Error{"POSIX", 110, "timed out"})
		}
	}
}

// rest looks whether there is nothing to do, and ends what runs once.
func (r *Replication) rest() {
	if r.finishing {
		return
	}
	for _, s := range r.sides {
		if !s.resting() {
			return
		}
	}
	for _, s := range r.sides {
		if !s.checkpoint.save() {
			return
		}
	}
	if !r.config.Continuous {
		r.finish(websocket.StatusNormalClosure, "", nil)
		return
	}
	r.mu.Lock()
	r.idle = len(r.queue) == 0
	r.mu.Unlock()
}

// state tells what is missing.
func (r *Replication) state() string {
	var b strings.Builder
	for _, s := range r.sides {
		b.WriteString(s.state())
	}
	return b.String()
}

// finish closes the connection.
func (r *Replication) finish(code websocket.StatusCode, reason string, failure *Error) {
	if r.finishing {
		return
	}
	r.finishing = true
	if failure != nil {
		r.failure = failure
	}
	go r.conn.Close(code, reason)
}

// fail ends the replication by an error that LiteCore cannot live with.
func (r *Replication) fail(e *Error) {
	code := websocket.StatusCode(4002)
	if e.Domain == "HTTP" && e.Code == http.StatusServiceUnavailable {
		code = 4001
	}
	r.finish(code, "Unrecognized collection", e)
}

// call sends a request; done is called on the replication's goroutine.
func (r *Replication) call(m *blip.Message, done func(*blip.Response, *blip.PeerError)) {
	err := r.conn.Start(r.ctx, m, func(response *blip.Response, err error) {
		r.post(func() {
			var refusal *blip.PeerError
			if err != nil && !errors.As(err, &refusal) {
				return // the connection is over
			}
			done(response, refusal)
		})
	})
	_ = err // the connection is over, and Run says why
}

// fatal ends the replication if an answer says what LiteCore cannot live with (blip.md 3.0).
func (r *Replication) fatal(e *blip.PeerError) bool {
	failure := &Error{e.Domain, e.Code, e.Text}
	known := slices.Contains([]string{"HTTP", "LiteCore", "POSIX", "SQLite", "Fleece", "Network", "WebSocket"}, e.Domain)
	switch {
	case e.Domain == "HTTP" && (e.Code == 503 || e.Code == 403), e.Domain == "HTTP" && e.Code == 400 && r.device.version > V28,
		!known && r.device.version > V28:
		r.fail(failure)
		return true
	}
	if r.failure == nil {
		r.failure = failure
	}
	return false
}

func (r *Replication) violate(rule, format string, args ...any) {
	r.device.violate(rule, format, args...)
}

func (r *Replication) documentError(id string, e *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.documents[id] = e
}

// heartbeat pings, and is as impatient as 3.2 is (blip.md finding 8).
func (r *Replication) heartbeat() {
	tick := time.NewTicker(r.config.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
		if err := r.ws.Ping(ctx); err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.violate("blip.md 1.5", "no pong within 10 s")
			r.post(func() { _ = r.tap.Conn.Close() })
		}
		cancel()
	}
}
