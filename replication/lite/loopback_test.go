package lite

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/caddysync/caddy-sync/test/leaks"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leaks.RegexpClock()) }

// waitFor is how long a test waits for what should come at once.
const waitFor = time.Minute

// loopback is a server with a database in memory. Clients of it are a peer's end of a
// connection: what LiteCore would do, a test does by itself.
type loopback struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // of the test
	store    *syncstore.Store
	db       *syncstore.Database
	counters *Counters
	url      string
	running  sync.WaitGroup

	mu   sync.Mutex
	peer Peer
}

// purgesWithin is how long a client may take to purge a document.
const purgesWithin = 50 * time.Millisecond

// newLoopback makes a server. configure, if not nil, changes who replicates.
func newLoopback(t *testing.T, configure func(*Peer)) *loopback {
	t.Helper()
	return newLoopbackOn(t, memory.New(), configure)
}

// newLoopbackOn is newLoopback on an engine of the test's own.
func newLoopbackOn(t *testing.T, eng engine.Engine, configure func(*Peer)) *loopback {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*waitFor) // t.Context ends before what is cleaned up
	l := &loopback{t: t, ctx: ctx, counters: new(Counters)}
	var err error
	l.store, err = syncstore.Open(ctx, eng, syncstore.Options{})
	require.NoError(t, err)
	l.db, err = l.store.CreateDatabase(ctx, "notes")
	require.NoError(t, err)
	l.peer = Peer{Database: l.db, Collection: l.db.Collection}
	if configure != nil {
		configure(&l.peer)
	}
	replications := New(Config{Counters: l.counters, purgeTime: purgesWithin})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		peer := l.peer
		l.mu.Unlock()
		accepted, err := replications.Accept(w, r, peer)
		if refused, ok := err.(*HandshakeError); ok { //nolint:errorlint // as it is
			http.Error(w, refused.Reason, refused.Status)
			return
		}
		if err == nil {
			l.running.Go(func() { accepted.Run(ctx) })
		}
	}))
	l.url = server.URL
	t.Cleanup(func() {
		cancel()
		l.running.Wait()
		server.Close()
		require.NoError(t, l.store.Close())
		require.NoError(t, eng.Close())
	})
	return l
}

// setPeer changes who replicates from the next connection on.
func (l *loopback) setPeer(configure func(*Peer)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	configure(&l.peer)
}

// coll is the default collection.
func (l *loopback) coll() *syncstore.Collection { return l.db.Default() }

// write makes edits as an administrator, by nobody's replication.
func (l *loopback) write(edits ...syncstore.Edit) []syncstore.Rev {
	l.t.Helper()
	revs := make([]syncstore.Rev, len(edits))
	for i, result := range l.coll().Write(l.ctx, edits, syncstore.WriteOptions{}) {
		require.NoError(l.t, result.Err)
		revs[i] = result.Rev
	}
	return revs
}

// attach stores content as an attachment of an edit.
func (l *loopback) attach(name, content string) syncstore.AttachmentEdit {
	l.t.Helper()
	upload := l.db.NewUpload(l.ctx)
	_, err := upload.Write([]byte(content))
	require.NoError(l.t, err)
	stored, err := upload.Commit(l.ctx)
	require.NoError(l.t, err)
	return syncstore.AttachmentEdit{Name: name, ContentType: "text/plain", Digest: stored.SHA1Digest(), Content: stored}
}

// client is a peer's end of a connection.
type client struct {
	*loopback
	conn  *blip.Conn
	ended chan error

	mu       sync.Mutex
	handlers map[string]func(*blip.Request)
	// Requests are what the server asked for and no handler took, in their order.
	requests chan *blip.Request
}

// connect connects a client that speaks one version of the protocol.
func (l *loopback) connect(version protocol) *client {
	l.t.Helper()
	ws, _, err := websocket.Dial(l.ctx, l.url+"/notes/_blipsync", &websocket.DialOptions{Subprotocols: []string{version.String()}})
	require.NoError(l.t, err)
	require.Equal(l.t, version.String(), ws.Subprotocol())
	c := &client{
		loopback: l, ended: make(chan error, 1), handlers: make(map[string]func(*blip.Request)), requests: make(chan *blip.Request, 10_000),
	}
	c.conn = blip.NewConn(ws, blip.Options{Handle: c.handle})
	l.running.Go(func() { c.ended <- c.conn.Run(l.ctx) })
	return c
}

func (c *client) handle(q *blip.Request) {
	c.mu.Lock()
	handler := c.handlers[q.Profile()]
	c.mu.Unlock()
	if handler != nil {
		handler(q)
		return
	}
	c.requests <- q
}

// on sets what answers the server's requests of a profile. It runs on the goroutine that
// reads and must not wait.
func (c *client) on(profile string, handler func(*blip.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlers[profile] = handler
}

// request waits for the server's next request that no handler takes.
func (c *client) request() *blip.Request {
	c.t.Helper()
	select {
	case q := <-c.requests:
		return q
	case <-c.ctx.Done():
	case <-time.After(waitFor):
	}
	require.FailNow(c.t, "the server asked for nothing")
	return nil
}

// call sends a request and returns the answer. props are names and values in turn.
func (c *client) call(profile, body string, props ...string) (*blip.Response, error) {
	return c.conn.Call(c.ctx, message(profile, body, props...))
}

// must is call, of which no error is expected.
func (c *client) must(profile, body string, props ...string) *blip.Response {
	c.t.Helper()
	response, err := c.call(profile, body, props...)
	require.NoError(c.t, err, profile)
	return response
}

// refused is call, of which an error in the domain HTTP is expected. It returns the error's text.
func (c *client) refused(code int, profile, body string, props ...string) string {
	c.t.Helper()
	_, err := c.call(profile, body, props...)
	var refusal *blip.PeerError
	require.ErrorAs(c.t, err, &refusal, profile)
	require.Equal(c.t, domainHTTP, refusal.Domain)
	require.Equal(c.t, code, refusal.Code, refusal.Text)
	return refusal.Text
}

// close ends the connection as a client does that is done.
func (c *client) close() {
	c.conn.Close(websocket.StatusNormalClosure, "")
	<-c.conn.Done()
}

// message makes a request as clients send most of them. props are names and values in turn.
func message(profile, body string, props ...string) *blip.Message {
	m := &blip.Message{Properties: blip.Properties{{Name: "Profile", Value: profile}}, Body: []byte(body), Compressed: true}
	for i := 0; i < len(props); i += 2 {
		m.Properties = append(m.Properties, blip.Property{Name: props[i], Value: props[i+1]})
	}
	return m
}
