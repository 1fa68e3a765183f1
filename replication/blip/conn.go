package blip

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Options say how a connection behaves. The zero value of each means its default.
type Options struct {
	// Handle is called with each request, in the order in which they become complete, on the
	// goroutine that reads: it must not block, and hands on what takes time. A request counts
	// for Limits until it is answered, or, if it wants no answer, until Handle returns.
	// Without it all are refused.
	Handle func(*Request)
	// Recover, if not nil, is deferred in goroutines of the connection's own. It is to recover, and to
	// drop the connection: what panics there, the stream of a message as it is read, would else end
	// the process. A panic of Handle is one of Run.
	Recover func()
	// Limits bound what the peer may send.
	Limits Limits
	// Counters, if not nil, are counted up.
	Counters *Counters
}

// Limits bound what a peer may cost. What breaks one ends the connection with ErrLimit.
type Limits struct {
	Properties int                      // bytes of a message's encoded properties; default 100 KiB
	Message    func(profile string) int // bytes of a request's body, inflated; default 20 MiB for all
	// Skip, if not nil, tells of which profiles a longer body is thrown away instead, as it comes: the
	// request has no body then, and TooLarge.
	Skip     func(profile string) bool
	Response int // bytes of an answer's body that goes to memory; default 20 MiB
	// Open is how many requests may be incomplete, or without an answer that was sent
	// completely; default 20000. Couchbase Lite bounds revisions that wait for an answer by
	// their bytes, 2 MiB, so that an honest client has thousands of small ones open.
	Open int
	// Buffered is how many bytes of messages may be in memory: what has come and is not
	// answered, and answers that are not sent, but not what their streams will give; default
	// 32 MiB.
	Buffered int
	Queue    int // bytes waiting to be sent beyond which Send, Call and Start wait; default 1 MiB
	// WriteTimeout is how long one frame may take to be written; default 60 s.
	WriteTimeout time.Duration
}

// socket is what is used of a *websocket.Conn.
type socket interface {
	Reader(ctx context.Context) (websocket.MessageType, io.Reader, error)
	Write(ctx context.Context, kind websocket.MessageType, p []byte) error
	Close(code websocket.StatusCode, reason string) error
	CloseNow() error
}

// Conn is one connection.
type Conn struct {
	ws       socket
	cork     *cork // below ws; nil if only the WebSocket is known
	handle   func(*Request)
	recovers func()
	limits   Limits
	counters *Counters

	reading     context.Context // of reads
	stopReading func()          // ends reads, even in a closing handshake
	ended       chan struct{}   // closed when nothing is sent or received any more
	done        chan struct{}   // closed when Run is over
	goroutines  sync.WaitGroup  // of this connection, besides Run
	buffered    atomic.Int64    // bytes of messages in memory
	incomplete  atomic.Int64    // of these, of requests of which not all has come

	// Only the goroutine that reads uses these.
	decoder  decoder
	lastCame uint64               // number of the peer's last request
	requests map[uint64]*incoming // those of which not all has come

	// Only the goroutine that writes uses it; there is one while writing is set.
	encoder encoder

	mu        sync.Mutex
	cause     error // why the connection has ended; nil before
	writing   bool
	together  int // calls of Together
	queue     sendQueue
	acks      []ack
	held      []ack                    // of requests that are held back
	oldest    uint64                   // the first request of which not all has come, as far as was looked
	pong      []byte                   // what a ping had that is to be answered; nil if none
	sending   map[messageKey]*outgoing // begun, with more to come
	lastSent  uint64                   // number of our last request
	calls     map[uint64]*call         // our requests that have no whole answer
	open      int                      // the peer's requests
	queued    int                      // bytes that wait to be sent
	roomAgain chan struct{}            // closed when there is room again; nil if nobody waits
}

// NewConn makes a connection of a WebSocket. Nothing happens before Run.
func NewConn(ws *websocket.Conn, o Options) *Conn {
	ws.SetReadLimit(readLimit)
	return newConn(ws, o)
}

func newConn(ws socket, o Options) *Conn {
	c := &Conn{
		ws:       ws,
		handle:   o.Handle,
		recovers: o.Recover,
		limits:   o.Limits.withDefaults(),
		counters: o.Counters,
		ended:    make(chan struct{}),
		done:     make(chan struct{}),
	}
	if c.handle == nil {
		c.handle = noHandler
	}
	if c.recovers == nil {
		c.recovers = func() {}
	}
	c.reading, c.stopReading = context.WithCancel(context.Background())
	return c
}

// Done is closed when the connection has ended: Run is over.
func (c *Conn) Done() <-chan struct{} { return c.done }
