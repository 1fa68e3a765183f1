package lite

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"go.uber.org/zap"
)

const (
	// workers is how many requests of one connection are worked on at once. Writes do not
	// count: they wait for a commit without holding a worker (DECISIONS 38).
	workers = 4
	// maxSmall bounds the bodies of requests that are no documents or lists of them, in bytes.
	maxSmall = 64 << 10
	// maxCheckpoint bounds checkpoints, which list what was pushed out of turn, and the lists
	// of collections, in bytes.
	maxCheckpoint = 1 << 20
	// maxAnswer bounds the client's answers, but for attachments: to 1000 changes it names the
	// revisions that it has, in bytes.
	maxAnswer = 2 << 20
	// maxList bounds lists of proposals and of document IDs, in bytes.
	maxList = 4 << 20
)

// replication is one connection of a client.
type replication struct {
	server  *Server
	peer    Peer
	version protocol
	id      string
	logger  *zap.Logger
	conn    *blip.Conn
	jobs    jobs

	// ctx ends with the connection. Set by run, before anything comes in.
	ctx    context.Context //nolint:containedctx // a replication lives as long as its connection
	cancel context.CancelCauseFunc

	mu sync.Mutex
	// dropAt is when the connection will be dropped, zero if it will not.
	dropAt time.Time
	// named are the collections of getCollections, nil where there is none of the name. Before
	// that, fallback is the default collection.
	named    []*keyspace
	fallback *keyspace

	// feeds are those that run, and followed is how many. Once over is set, none begins.
	feeds    sync.WaitGroup
	followed int
	over     bool

	// allowed are the attachments that the client may ask for.
	allowed allowance
	outlets outlets
	// unfit is for the warning of the first document that is left out.
	unfit sync.Once
	push  pushQueue
	// subscriptions are requests that begin or end a feed. For the goroutine that reads alone.
	subscriptions line
}

// newReplication makes a replication, of which the connection is to be set.
func newReplication(s *Server, p Peer, version protocol, id string) *replication {
	r := &replication{server: s, peer: p, version: version, id: id}
	r.logger = s.logger.With(zap.String("replication", id))
	r.jobs.most, r.jobs.recovered = workers, r.recovered
	if c, ok := p.Collection(defaultName, defaultName); ok {
		r.fallback = newKeyspace(r, c, -1)
	}
	r.push.init(r)
	return r
}

func (r *replication) options() blip.Options {
	return blip.Options{Handle: r.handle, Recover: r.recovered, Limits: r.limits(), Counters: &r.server.counters.Counters}
}

func (r *replication) limits() blip.Limits {
	// The document with its "_" members, attachments in base64 among them.
	document := int(min(r.peer.MaxDocument+r.peer.MaxDocument/2+maxSmall, 1<<30))
	message := func(profile string) int {
		switch profile {
		case profileRev, "putRev":
			return document
		case "proposeChanges", "changes", "subChanges":
			return maxList
		case "setCheckpoint", "getCollections":
			return maxCheckpoint
		}
		return maxSmall
	}
	// A client stops for good at a connection that ends because of a message, while by 413 it gives up
	// a document alone, or goes without a checkpoint: so what is too large is skipped, and refused. Of what
	// is buffered: twice a document, as a buffer that grows has more room than what is in it.
	skip := func(string) bool { return true }
	return blip.Limits{Message: message, Skip: skip, Response: maxAnswer, Buffered: max(32<<20, 2*document)}
}

var (
	errLeaseEnded = errors.New("the sign-in is not valid any more")
	errStopping   = errors.New("the server stops or has a new configuration")
	errDeleted    = errors.New("the database was deleted")
	errOffline    = errors.New("the database was taken offline")
	errPanicked   = errors.New("the server failed")
)

// run serves the connection until it ends.
func (r *replication) run(ctx context.Context) {
	counters := r.server.counters
	counters.Active.Add(1)
	began := time.Now()
	defer counters.Active.Add(-1)
	defer r.peer.release()
	ctx, r.cancel = context.WithCancelCause(ctx)
	r.ctx = ctx
	var watching sync.WaitGroup
	watching.Go(r.watch)
	err := r.receive(ctx)
	r.cancel(blip.ErrClosed)
	r.close()
	watching.Wait()
	if cause := context.Cause(ctx); err != nil && !errors.Is(cause, blip.ErrClosed) {
		err = cause
	}
	r.logger.Debug("replication ended", zap.Stringer("protocol", r.version), zap.Duration("took", time.Since(began)), zap.Error(err))
}

// receive runs the connection, on whose goroutine requests are taken in.
func (r *replication) receive(ctx context.Context) error {
	defer r.recovered()
	return r.conn.Run(ctx)
}

// watch ends the replication when it may not go on. The connection is dropped without a close
// frame: that is what makes clients of every version come back (reference/blip.md 1.4), and
// the handshake then says what is the matter.
func (r *replication) watch() {
	var lease <-chan struct{}
	if r.peer.Lease != nil {
		lease = r.peer.Lease.Done()
	}
	select {
	case <-lease:
		r.drop(errLeaseEnded)
	case <-r.peer.Stop:
		r.drop(errStopping)
	case <-r.peer.Database.Done():
		r.drop(errDeleted)
	case <-r.peer.Gone:
		r.drop(errOffline)
	case <-r.ctx.Done():
		r.drop(context.Cause(r.ctx))
	}
}

// recovered is deferred in each goroutine: what goes wrong with one connection must not end
// the others, as a panic would.
func (r *replication) recovered() {
	if cause := recover(); cause != nil {
		r.logger.Error("replication panicked", zap.Any("panic", cause), zap.Stack("stack"))
		r.drop(errPanicked)
	}
}

// drop ends the connection so that the client comes back.
func (r *replication) drop(cause error) {
	r.cancel(cause)
	r.conn.Drop(cause)
}

// dropSoon ends the connection after a while, so that the client comes back: what was answered
// has gone out by then.
func (r *replication) dropSoon(cause error, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := time.Now().Add(after); r.dropAt.IsZero() || at.Before(r.dropAt) {
		r.dropAt = at
		timer := time.AfterFunc(after, func() { r.drop(cause) })
		context.AfterFunc(r.ctx, func() { timer.Stop() })
	}
}

// beginFeed counts a feed of a collection, unless the connection has ended, or messages name others
// since the client asked for it.
func (r *replication) beginFeed(ks *keyspace) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return blip.ErrClosed
	case !r.names(ks):
		return refuse(http.StatusConflict, "getCollections came after the changes were asked for.")
	}
	r.feeds.Add(1)
	r.followed++
	return nil
}

func (r *replication) endFeed() {
	r.mu.Lock()
	r.followed--
	r.mu.Unlock()
	r.feeds.Done()
}

// close ends what the connection began, when it has ended.
func (r *replication) close() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.feeds.Wait() // they end with the context
	r.jobs.close()
	r.push.close()
}
