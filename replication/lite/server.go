package lite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/coder/websocket"
	"go.uber.org/zap"
)

// Config is what replications have in common.
type Config struct {
	Logger *zap.Logger // default: no log
	// Counters, if not nil, are counted up.
	Counters *Counters

	purgeTime time.Duration // default: purgeTime
}

// Counters count what replications do. One may serve many servers.
type Counters struct {
	blip.Counters

	// Active are the replications in progress.
	Active atomic.Int64
	// CaughtUp counts how often a feed had sent everything for the first time.
	CaughtUp atomic.Uint64
	// DocumentsPushed and DocumentsPulled are revisions that clients sent and got.
	DocumentsPushed, DocumentsPulled atomic.Uint64
	// Unfit counts documents left out of feeds because Couchbase Lite cannot hold them
	// (DECISIONS 27).
	Unfit atomic.Uint64

	mu       sync.Mutex
	refusals map[int]uint64
}

// refused counts an error that a client was answered with.
func (c *Counters) refused(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusals == nil {
		c.refusals = make(map[int]uint64)
	}
	c.refusals[code]++
}

// Refusals returns how often clients were answered with an error, by its code.
func (c *Counters) Refusals() map[int]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int]uint64, len(c.refusals))
	maps.Copy(all, c.refusals)
	return all
}

// Lease is what a replication holds for as long as it is open: an *auth.Lease.
type Lease interface {
	Done() <-chan struct{}
	Close()
}

// Peer is who replicates, and what.
type Peer struct {
	Database *syncstore.Database
	// Collection finds a collection that the peer may know of. "_default", "_default" is the
	// default collection.
	Collection func(scope, name string) (*syncstore.Collection, bool)
	// Viewer is who reads and writes; nil is an administrator.
	Viewer   *syncstore.Viewer
	ReadOnly bool
	// NoDeltas turns deltas off, both ways.
	NoDeltas bool
	// MaxDocument and MaxAttachment are in bytes; 0: 20 MiB and 100 MiB.
	MaxDocument, MaxAttachment int64
	// Lease ends the replication: by a new handshake the client then finds out why. Serve
	// closes it. nil: none.
	Lease Lease
	// Gone ends it when it is closed, as the end of the database does: the peer has nothing to
	// replicate with for now. nil: never.
	Gone <-chan struct{}
	// Stop ends the replication when it is closed: the server stops, or has a new
	// configuration. nil: never.
	Stop <-chan struct{}
	// Rejected, if not nil, is called for each document that a policy refused.
	Rejected func()
	// Activity, if not nil, is told what the replication does.
	Activity Activity
}

// Activity is told what a replication does. It is called often, and by many at once.
type Activity interface {
	// Sent and Received count documents that the client got and wrote.
	Sent()
	Received(scope, collection string)
	// Follows says that the client asked for the changes of a collection, CaughtUp that it has
	// all there was.
	Follows(scope, collection string)
	CaughtUp()
}

// unwatched is the Activity of a replication that nobody asks about.
type unwatched struct{}

func (unwatched) Sent()                   {}
func (unwatched) Received(string, string) {}
func (unwatched) Follows(string, string)  {}
func (unwatched) CaughtUp()               {}

func (p *Peer) setDefaults() {
	if p.MaxDocument <= 0 {
		p.MaxDocument = 20 << 20
	}
	if p.MaxAttachment <= 0 {
		p.MaxAttachment = 100 << 20
	}
	if p.Rejected == nil {
		p.Rejected = func() {}
	}
	if p.Activity == nil {
		p.Activity = unwatched{}
	}
}

// Server serves replications.
type Server struct {
	logger    *zap.Logger
	counters  *Counters
	purgeTime time.Duration
}

// New makes a server.
func New(c Config) *Server {
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	if c.purgeTime == 0 {
		c.purgeTime = purgeTime
	}
	return &Server{logger: c.Logger, counters: c.Counters, purgeTime: c.purgeTime}
}

// Replication is one that was accepted and has not begun.
type Replication struct{ r *replication }

// Accept answers a WebSocket handshake. An error before anything was answered is a
// *HandshakeError; after any other the connection is gone. The caller must Run what it
// gets, after its own handler returned or in a goroutine, and what it does not get has
// closed the peer's lease.
func (s *Server) Accept(w http.ResponseWriter, r *http.Request, p Peer) (*Replication, error) {
	version, err := checkHandshake(r)
	if err != nil {
		p.release()
		return nil, err
	}
	p.setDefaults()
	id := correlationID()
	w.Header().Set("X-Correlation-Id", id)
	// What a server's timeouts put on the connection was for this request.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a writer that cannot has none
	_ = control.SetWriteDeadline(time.Time{})
	accepted := newReplication(s, p, version, id)
	accepted.conn, err = blip.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{version.String()},
		InsecureSkipVerify: true, // the caller has looked at the Origin
	}, accepted.options())
	if err != nil {
		p.release()
		return nil, fmt.Errorf("upgrading to a WebSocket: %w", err)
	}
	return &Replication{accepted}, nil
}

// Run replicates until the connection ends or the context does.
func (r *Replication) Run(ctx context.Context) { r.r.run(ctx) }

func (p *Peer) release() {
	if p.Lease != nil {
		p.Lease.Close()
	}
}

// correlationID names a replication in the log, and in the client's log.
func correlationID() string {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	return hex.EncodeToString(id[:])
}
